/** Which folder of `src` may import which others; each may import itself, and none an entry point. */
const MAY_IMPORT = {
  util: [],
  host: ['util'],
  regularizers: ['util', 'host'],
  loss: ['util', 'host', 'regularizers'],
  gradients: ['util', 'host', 'regularizers', 'loss'],
  logs: ['util', 'host', 'regularizers', 'loss', 'gradients'],
  callbacks: ['util', 'host', 'regularizers', 'loss', 'gradients', 'logs'],
  charts: ['util', 'host', 'regularizers', 'loss', 'gradients', 'logs', 'callbacks'],
  audit: ['util', 'host', 'regularizers', 'loss'],
  keras: ['util', 'host', 'regularizers'],
  cli: ['util', 'host', 'regularizers', 'loss', 'keras', 'audit'],
};

/** The same within `src/host`, whose own files are for all of its folders. */
const MAY_IMPORT_IN_HOST = {
  model: [],
  penalties: ['model'],
  run: ['model'],
  step: ['model', 'penalties'],
};

const inHost = Object.entries(MAY_IMPORT_IN_HOST).map(([folder, others]) => ({
  name: `imports-of-host-${folder}`,
  comment: `src/host/${folder} may import ${['itself', ...others].join(', ')} and the files of src/host.`,
  severity: 'error',
  from: { path: `^src/host/${folder}/` },
  to: { path: '^src/host/[^/]+/', pathNot: `^src/host/(${[folder, ...others].join('|')})/` },
}));

const direction = Object.entries(MAY_IMPORT).map(([folder, others]) => ({
  name: `imports-of-${folder}`,
  comment: `src/${folder} may import ${others.length === 0 ? 'itself only' : `itself and ${others.join(', ')}`}.`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: '^src/', pathNot: `^src/(${[folder, ...others].join('|')})/` },
}));

export default {
  forbidden: [
    ...direction,
    ...inHost,
    {
      name: 'known-folders',
      comment: 'A folder of src that is not in MAY_IMPORT has no place in the direction of imports yet.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${Object.keys(MAY_IMPORT).join('|')})/` },
      to: {},
    },
    {
      name: 'no-cycle',
      comment: 'Also not by types alone: two files that need each other are one, or a third is missing.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphan',
      comment: 'No entry point leads to this file.',
      severity: 'error',
      from: { orphan: true, path: '^src/' },
      to: {},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
  },
};
