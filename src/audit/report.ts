import type { RegularizationFinding } from './finding.js';
import { printable, table } from './table.js';

const HEADINGS = ['severity', 'finding', 'layer', 'weight', 'declared', 'training applies'];

/** What `auditRegularizers` found. */
export class RegularizationAudit {
  constructor(
    /** The model's name. */
    readonly model: string,
    /** How many regularizers on weights the model declares. */
    readonly regularizers: number,
    /** What is not as it looks: warnings first, each kind in the order of the layers. Empty for a clean model. */
    readonly findings: readonly RegularizationFinding[],
  ) {}

  /** How many findings have the severity `'warning'`. */
  get warnings(): number {
    return this.findings.filter(({ severity }) => severity === 'warning').length;
  }

  /** How many findings have the severity `'information'`. */
  get information(): number {
    return this.findings.length - this.warnings;
  }

  /** A summary in one line, the findings as an aligned table, and what to do about each kind. */
  toString(): string {
    const summary = `Regularization of \`${printable(this.model)}\`: ${counted(this.regularizers, 'regularizer')}, ${
      this.findings.length === 0
        ? 'no findings.'
        : `${counted(this.warnings, 'warning')}, ${this.information} for information.`
    }`;
    if (this.findings.length === 0) return summary;
    const rows = this.findings.map(({ severity, code, layer, weight, declared, applied }) => [
      severity,
      code,
      layer,
      weight ?? '-',
      declared,
      applied,
    ]);
    return [summary, table(HEADINGS, rows), this.#remedies().join('\n')].join('\n\n');
  }

  /** Prints `toString()` to the console. */
  print(): void {
    console.log(this.toString());
  }

  /** What `JSON.stringify` takes: the counts beside the findings; a penalty that is no finite number becomes `null`. */
  toJSON(): Pick<RegularizationAudit, 'model' | 'regularizers' | 'warnings' | 'information' | 'findings'> {
    const { model, regularizers, warnings, information, findings } = this;
    return { model, regularizers, warnings, information, findings };
  }

  #remedies(): string[] {
    return [...new Set(this.findings.map(({ code, remedy }) => printable(`${code}: ${remedy}`)))];
  }
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
