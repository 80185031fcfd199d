/** What a finding is about; the codes stay what they are from release to release. */
export type RegularizationFindingCode =
  /** Training never adds the penalty: recurrent cells, a model within a TimeDistributed, a Sequential within a Sequential. */
  | 'regularizer-dropped'
  /** A layer or model is shared, and training adds the penalty once a call. */
  | 'penalty-counted-repeatedly'
  /** `sequential.calculateLosses()` lacks a term that training adds. */
  | 'nested-sequential-mismatch'
  /** Training adds the penalty of a weight that it does not move. */
  | 'frozen-layer-penalized'
  /** An L1 penalty pushes weights away from 0 that Keras leaves there. */
  | 'l1-at-zero'
  /** Maybe `l1l2` filled in the 0.01. */
  | 'implicit-coefficient'
  /** The regularizer does nothing. */
  | 'coefficient-zero'
  /** The regularizer rewards large weights. */
  | 'coefficient-negative'
  /** A coefficient is NaN or infinite. */
  | 'coefficient-not-finite'
  /** A regularizer was assigned to a layer whose weights were there already. */
  | 'assigned-after-build'
  /** The layer does not use this argument. */
  | 'ignored-argument'
  /** The layer's `activityRegularizer` is set, and TensorFlow.js does not use it. */
  | 'activity-regularizer-ignored'
  /** A trainable kernel has no regularizer, while others have one. */
  | 'kernel-without-regularizer'
  /** The model has no penalty at all: maybe an option is misspelled, of which TensorFlow.js leaves no trace. */
  | 'no-regularizer'
  /** `trainable` of weights was changed after `compile`. */
  | 'trainable-changed'
  /** The optimizer's learning rate is no number: training makes every weight NaN, or throws. */
  | 'learning-rate-not-a-number'
  /** A member of the optimizer asks for clipped gradients, and TensorFlow.js clips none. */
  | 'clipping-ignored'
  /** A `lossTerm` was loaded from a file, which does not hold its function. */
  | 'loss-term-without-function'
  /** A `lossTerm` was called on tensors of the model, and no output depends on what it returned. */
  | 'loss-term-unconnected'
  /** TensorFlow.js computes another penalty than the weights and coefficients give. */
  | 'penalty-disagrees';

/** Something about a model's regularizers that is not as it looks. */
export interface RegularizationFinding {
  /** What it is about. */
  code: RegularizationFindingCode;
  /** `'warning'` if training does, or may do, something other than declared; `'information'` if it is only good to know. */
  severity: 'warning' | 'information';
  /**
   * The layer, after the names of the models and wrappers around it, as in `regularizationTerms`: `encoder/dense_1`; the model's
   * name for what is about all of it.
   */
  layer: string;
  /** The weight's name within the layer, for example `kernel`; `null` where there is none. */
  weight: string | null;
  /** What is declared, in words: `l2(0.1)`. */
  declared: string;
  /** What training makes of it, in words. */
  applied: string;
  /** What to do. */
  remedy: string;
  /**
   * The penalty at the current weights, in the unit of the loss; `null` where there is nothing to compute it from, and in
   * the audit of a topology alone.
   */
  penalty: {
    /** As declared, counted once. */
    declared: number;
    /** As a training step adds it. */
    applied: number;
  } | null;
}

const HEADINGS = ['severity', 'finding', 'layer', 'weight', 'declared', 'training applies'];

/** What `auditRegularizers` found. */
export class RegularizationAudit {
  constructor(
    /** The model's name. */
    readonly model: string,
    /** How many regularizers on weights the model declares. */
    readonly regularizers: number,
    /** What is not as it looks: warnings first. Empty for a clean model. */
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
    const remedies = new Set(this.findings.map(({ code, remedy }) => printable(`${code}: ${remedy}`)));
    return [summary, table([HEADINGS, ...rows]), [...remedies].join('\n')].join('\n\n');
  }

  /** Prints `toString()` to the console. */
  print(): void {
    console.log(this.toString());
  }

  /** What `JSON.stringify` takes: the counts and the findings; a penalty that is not a finite number becomes `null`. */
  toJSON(): Pick<RegularizationAudit, 'model' | 'regularizers' | 'warnings' | 'information' | 'findings'> {
    const { model, regularizers, warnings, information, findings } = this;
    return { model, regularizers, warnings, information, findings };
  }
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Rows of text in columns that are as wide as their widest cell, two spaces apart. */
function table(rows: ReadonlyArray<readonly string[]>): string {
  const all = rows.map((row) => row.map(printable));
  const widths = HEADINGS.map((_, column) => all.reduce((width, row) => Math.max(width, row[column]!.length), 0));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/**
 * The text on one line. Names come from files: what a terminal would act on, such as escapes and changes of direction, is
 * shown as JSON writes it, not sent.
 */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, unit) => `\\u${hex(character.charCodeAt(unit))}`).join(''),
  );

const hex = (unit: number): string => unit.toString(16).padStart(4, '0');
