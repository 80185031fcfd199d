import type { Epoch } from './epoch.js';
import { addRows, byId, showParts, showTold } from './page.js';
import { Picture, showEquation } from './picture.js';

const [told, parts, equation, rows, misread] = ['told', 'parts', 'equation', 'rows', 'misread-section'].map((id) =>
  byId(id, HTMLElement),
) as [HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement];

/** What the page shows of a run. */
export class Results {
  readonly picture = new Picture(byId('picture', HTMLElement));
  #epochs: Epoch[] = [];

  /** The last epoch that has both sides: one that is stopped has no validation. */
  get last(): Epoch | undefined {
    return this.#epochs.filter(({ validation }) => validation).at(-1);
  }

  /** Forgets the previous run; the next has that many epochs. */
  begin(length: number): void {
    this.#epochs = [];
    this.picture.begin(length);
    rows.replaceChildren();
    misread.hidden = true;
    this.#show();
  }

  add(epoch: Epoch): void {
    this.#epochs.push(epoch);
    addRows(rows, this.#epochs.length, epoch);
    this.picture.show(this.#epochs);
    this.#show();
  }

  #show(): void {
    showTold(told, this.last);
    showParts(parts, this.last);
    showEquation(equation, this.last);
  }
}
