/** The target for a ratio of two ways' times: at most this. */
export interface Target {
  way: string;
  base: string;
  workloads: string[];
  atMost: number;
}

const fusedWorkloads = ['mlp-32', 'mlp-256', 'narrow-100'];
const allButTiny = [...fusedWorkloads, 'conv-28', 'conv-64', 'embedding'];

export const targets: Target[] = [
  { way: 'decomposed', base: 'l2-again', workloads: allButTiny, atMost: 1.01 },
  { way: 'breakdown', base: 'l2-again', workloads: allButTiny, atMost: 1.03 },
  { way: 'trainStep', base: 'trainOnBatch', workloads: allButTiny, atMost: 1 },
  { way: 'own-minimize', base: 'by-hand', workloads: ['mlp-32'], atMost: 1.02 },
  { way: 'training-loop', base: 'own-minimize', workloads: ['mlp-32'], atMost: 1.02 },
  { way: 'minimize-fused', base: 'by-hand', workloads: ['mlp-32'], atMost: 0.7 },
  // 0.12 ms of a step of 2 ms.
  { way: 'decomposed', base: 'l2-again', workloads: ['tiny'], atMost: 1.06 },
  { way: 'fused-decomposed', base: 'l2', workloads: ['mlp-32'], atMost: 0.5 },
  { way: 'fused-decomposed', base: 'l2', workloads: ['mlp-256'], atMost: 0.65 },
  { way: 'fused-decomposed', base: 'l2', workloads: ['narrow-100'], atMost: 0.75 },
  { way: 'fused-decomposed', base: 'none', workloads: fusedWorkloads, atMost: 1.3 },
];

export const targetsOf = (workload: string): Target[] =>
  targets.filter(({ workloads }) => workloads.includes(workload));

/** Where the short form fails: more than noise explains. */
export const TOLERATED = 1.5;
