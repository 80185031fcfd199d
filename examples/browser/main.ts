import * as tf from '@tensorflow/tfjs';
import { auditRegularizers, enforceRegularizers } from 'tfjs-decomposed-loss/regularizers';
import { useBackend, type BackendName } from './backends.js';
import { lossCallbacks } from './charts.js';
import { digitsFrom, fitArgs, loadDigits } from './digits.js';
import { epochFrom } from './epoch.js';
import { showMisread } from './misread.js';
import { SliderL2, digitModel, type ModelName } from './model.js';
import { byId, showAudit } from './page.js';
import { showRecorded } from './recorded.js';
import { Results } from './results.js';
import { HIGH, LOW, PHASES, moral, raiseAfter } from './story.js';

const [modelChoice, backendChoice] = [byId('model', HTMLSelectElement), byId('backend', HTMLSelectElement)];
const [slider, epochs] = [byId('l2', HTMLInputElement), byId('epochs', HTMLInputElement)];
const [raise, enforce] = [byId('raise', HTMLInputElement), byId('enforce', HTMLInputElement)];
const [start, stop] = [byId('start', HTMLButtonElement), byId('stop', HTMLButtonElement)];
const [options, lstm] = [byId('options', HTMLFieldSetElement), byId('lstm', HTMLButtonElement)];
const [story, state] = [byId('story', HTMLElement), byId('state', HTMLElement)];
const progress = byId('progress', HTMLProgressElement);
const results = new Results();

const COEFFICIENTS = [0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2];
/** The show gives each epoch at least this many milliseconds, and its turning point more, so that people can follow. */
const [PACE, PAUSE] = [150, 2500];

let model: tf.Sequential | undefined;
let isStopped = false;
/** Whether the page moves the slider, as it does until the user does. */
let isShow = false;

/** The penalty reads the coefficient in each step, so the slider acts at once on a training run. */
function readSlider(): void {
  SliderL2.coefficient = COEFFICIENTS[slider.valueAsNumber]!;
  const text = SliderL2.coefficient === 0 ? '0, off' : String(SliderL2.coefficient);
  byId('coefficient', HTMLOutputElement).value = text;
  slider.setAttribute('aria-valuetext', text);
}

function moveSlider(coefficient: number): void {
  slider.valueAsNumber = COEFFICIENTS.indexOf(coefficient);
  readSlider();
}

/** Makes the chosen model, and shows what the audit says about it. */
async function prepare(): Promise<tf.Sequential> {
  const name = modelChoice.value as ModelName;
  const backend = await useBackend(backendChoice.value as BackendName, name);
  byId('note', HTMLElement).textContent = backend.note;
  backendChoice.value = backend.name;
  model?.dispose();
  model = digitModel(name);
  lstm.textContent = name === 'lstm' ? 'Back to the dense model' : 'See what the LSTM loses';
  byId('enforced', HTMLElement).hidden = name !== 'lstm';
  if (name === 'lstm' && enforce.checked) enforceRegularizers(model);
  showAudit(byId('audit-line', HTMLElement), byId('findings', HTMLElement), auditRegularizers(model));
  return model;
}

async function train(): Promise<void> {
  const trained = await prepare();
  const bytes = await loadDigits('./digits.bin');
  if (isStopped) return;
  const data = digitsFrom(bytes);
  const length = epochs.valueAsNumber;
  results.begin(length);
  try {
    await trained.fit(data.training.xs, data.training.ys, {
      ...fitArgs(data, length),
      callbacks: [
        ...lossCallbacks(byId('charts', HTMLDetailsElement)),
        new tf.CustomCallback({
          // `fit` forgets a `stopTraining` that was set before its first batch.
          onBatchBegin: () => void (trained.stopTraining ||= isStopped),
          onEpochEnd: async (epoch, logs = {}) => {
            results.add(epochFrom(logs));
            progress.value = (epoch + 1) / length;
            state.textContent = `Epoch ${epoch + 1} of ${length}`;
            if (isShow) await play(epoch + 1, length);
          },
        }),
      ],
    });
    if (!isStopped && results.last) story.textContent = moral(results.last);
    if (results.last) {
      await showMisread(byId('misread', HTMLElement), trained, data.validation);
      byId('misread-section', HTMLElement).hidden = false;
    }
  } finally {
    tf.dispose([data.training, data.validation] as unknown as tf.TensorContainer);
  }
}

/** What the show does after an epoch. */
async function play(epoch: number, length: number): Promise<void> {
  const turn = raiseAfter(length);
  if (epoch === turn) {
    moveSlider(HIGH);
    results.picture.mark(`L2 ${HIGH}`);
  } else if (epoch === turn + 1) {
    story.textContent = PHASES.raise;
    await pause(PAUSE);
    if (isShow) story.textContent = PHASES.shrink;
  }
  await pause(PACE);
}

async function pause(milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end && isShow && !isStopped) await tf.nextFrame();
}

/** Runs what the user wants, with the choices locked meanwhile, and says what went wrong. */
async function busy(work: () => Promise<unknown>, done: (seconds: string) => string): Promise<void> {
  // Disabling or hiding the focused element would send keyboard users back to the top of the page.
  const focused = document.activeElement;
  options.disabled = start.disabled = lstm.disabled = enforce.disabled = true;
  const began = performance.now();
  try {
    await work();
    state.textContent = done(((performance.now() - began) / 1000).toFixed(1));
  } catch (error) {
    story.textContent = error instanceof Error ? error.message : String(error);
    state.textContent = 'Failed';
  } finally {
    options.disabled = start.disabled = lstm.disabled = enforce.disabled = false;
    const isLost = document.activeElement === document.body || document.activeElement === stop;
    [start.hidden, stop.hidden] = [false, true];
    if (isLost && focused instanceof HTMLElement) focused.focus();
  }
}

byId('controls', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  isStopped = false;
  progress.value = 0;
  state.textContent = 'Training …';
  isShow = raise.checked;
  story.textContent = isShow ? PHASES.learn : '';
  if (isShow) moveSlider(LOW);
  void busy(train, (seconds) => `${isStopped ? 'Stopped' : 'Done'} after ${seconds} s`);
  [start.hidden, stop.hidden] = [true, false];
  stop.focus();
});
stop.addEventListener('click', () => {
  isStopped = true;
  state.textContent = 'Stopping …';
});
slider.addEventListener('input', () => {
  readSlider();
  if (stop.hidden) return;
  isShow = false;
  story.textContent = PHASES.moved;
  results.picture.mark(`L2 ${SliderL2.coefficient}`);
});
for (const choice of [modelChoice, enforce]) {
  choice.addEventListener('change', () => {
    results.begin(epochs.valueAsNumber || 1);
    story.textContent = PHASES.other;
  });
}
for (const choice of [modelChoice, backendChoice, enforce]) {
  choice.addEventListener('change', () => void busy(prepare, () => 'Ready'));
}
lstm.addEventListener('click', () => {
  modelChoice.value = modelChoice.value === 'lstm' ? 'dense' : 'lstm';
  modelChoice.dispatchEvent(new Event('change'));
});
byId('copy', HTMLButtonElement).addEventListener('click', () => {
  const say = (text: string) => () => void (byId('copied', HTMLElement).textContent = text);
  const written = navigator.clipboard.writeText(byId('code', HTMLElement).textContent);
  void written.then(say('Copied'), say('The browser refused. Select the text and copy it.'));
});

readSlider();
showRecorded(results);
story.textContent = PHASES.recorded;
void busy(prepare, () => 'Ready');
