import * as tf from '@tensorflow/tfjs';
import { auditRegularizers, enforceRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { fitCallbacks } from 'tfjs-decomposed-loss/tfvis';
import { useBackend } from './backends.js';
import { digitsFrom, fitArgs } from './digits.js';
import { SliderL2, digitModel, type ModelName } from './model.js';
import { addRows, byId, showAudit, showSum, type Parts } from './page.js';

const [modelChoice, backendChoice] = [byId('model', HTMLSelectElement), byId('backend', HTMLSelectElement)];
const [epochs, slider, enforce] = ['epochs', 'l2', 'enforce'].map((id) => byId(id, HTMLInputElement)) as [
  HTMLInputElement,
  HTMLInputElement,
  HTMLInputElement,
];
const [start, stop] = [byId('start', HTMLButtonElement), byId('stop', HTMLButtonElement)];
const [status, progress] = ['status', 'progress'].map((id) => byId(id, HTMLElement)) as [HTMLElement, HTMLElement];
const sums = [byId('now-training', HTMLElement), byId('now-validation', HTMLElement)] as const;

const COEFFICIENTS = [0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2];

let model: tf.Sequential | undefined;
let isStopped = false;
/** The last validation; an epoch that is stopped has none. */
let validated: Parts | undefined;

/** The penalty reads the coefficient in each step, so a training that runs feels the slider at once. */
function readSlider(): void {
  SliderL2.coefficient = COEFFICIENTS[slider.valueAsNumber]!;
  const text = SliderL2.coefficient === 0 ? '0, off' : String(SliderL2.coefficient);
  byId('coefficient', HTMLOutputElement).value = text;
  slider.setAttribute('aria-valuetext', text);
}

/** A new model, as chosen, and what the audit says of it. */
async function prepare(): Promise<tf.Sequential> {
  const name = modelChoice.value as ModelName;
  const wasm = [...backendChoice.options].find(({ value }) => value === 'wasm')!;
  wasm.disabled = name === 'convolutional';
  if (wasm.disabled && wasm.selected) backendChoice.value = 'webgl';
  byId('enforced', HTMLElement).hidden = name !== 'lstm';
  await useBackend(backendChoice.value);
  model?.dispose();
  model = digitModel(name);
  if (name === 'lstm' && enforce.checked) enforceRegularizers(model);
  showAudit(byId('audit', HTMLElement), auditRegularizers(model));
  return model;
}

function show(epoch: number, logs: tf.Logs): void {
  const parts = (prefix: string, total: string): Parts | undefined =>
    logs[total] === undefined
      ? undefined
      : {
          total: logs[total],
          data: logs[`${prefix}data_loss`]!,
          penalty: logs[`${prefix}regularization_loss`]!,
          accuracy: logs[`${prefix}acc`]!,
        };
  const [training, validation] = [parts('', 'loss'), parts('val_', 'val_total_loss')];
  validated = validation ?? validated;
  const scale = Math.max(training?.total ?? 0, validated?.total ?? 0);
  showSum(sums[0], 'Training digits', training, scale);
  showSum(sums[1], 'Digits it has not seen', validated, scale);
  addRows(byId('rows', HTMLElement), epoch, [
    ['training', training],
    ['validation', validation],
  ]);
}

async function train(): Promise<void> {
  const trained = await prepare();
  if (isStopped) return;
  validated = undefined;
  const data = digitsFrom(new Uint8Array(await (await fetch('./digits.bin')).arrayBuffer()));
  byId('rows', HTMLElement).replaceChildren();
  byId('charts', HTMLElement).replaceChildren();
  try {
    const total = epochs.valueAsNumber;
    await trained.fit(data.training.xs, data.training.ys, {
      ...fitArgs(data, total),
      callbacks: [
        ...fitCallbacks(byId('charts', HTMLElement)),
        new tf.CustomCallback({
          // `fit` forgets a `stopTraining` that was set before its first batch.
          onBatchBegin: () => void (trained.stopTraining ||= isStopped),
          onEpochEnd: async (epoch, logs = {}) => {
            show(epoch, logs);
            progress.textContent = `Epoch ${epoch + 1} of ${total}`;
            await tf.nextFrame();
          },
        }),
      ],
    });
  } finally {
    tf.dispose([data.training, data.validation] as unknown as tf.TensorContainer);
  }
}

/** Runs what the user asked for, with the choices locked meanwhile; says what went wrong. */
async function busy(work: () => Promise<unknown>, done: (seconds: string) => string): Promise<void> {
  const choices = [modelChoice, backendChoice, epochs, enforce, start];
  // To disable what has the focus would send whoever uses the keyboard back to the top of the page.
  const focused = document.activeElement;
  choices.forEach((choice) => (choice.disabled = true));
  const began = performance.now();
  try {
    await work();
    status.textContent = done(((performance.now() - began) / 1000).toFixed(1));
  } catch (error) {
    status.textContent = error instanceof Error ? error.message : String(error);
  } finally {
    choices.forEach((choice) => (choice.disabled = false));
    const isLost = document.activeElement === document.body || document.activeElement === stop;
    if (isLost && focused instanceof HTMLElement) focused.focus();
    stop.disabled = true;
    progress.textContent = '';
  }
}

byId('controls', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  stop.disabled = false;
  isStopped = false;
  status.textContent = 'Training …';
  void busy(train, (seconds) => `${isStopped ? 'Stopped' : 'Done'} after ${seconds} s`);
  stop.focus();
});
stop.addEventListener('click', () => {
  isStopped = true;
  status.textContent = 'Stopping …';
});
slider.addEventListener('input', readSlider);
for (const choice of [modelChoice, backendChoice, enforce]) {
  choice.addEventListener('change', () => void busy(prepare, () => 'Ready'));
}

readSlider();
showSum(sums[0], 'Training digits', undefined, 1);
showSum(sums[1], 'Digits it has not seen', undefined, 1);
void busy(prepare, () => 'Ready');
