import { abs, div, eye, matMul, maximum, mul, sqrt, square, sub, sum, tidy } from '@tensorflow/tfjs-core';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { RegularizerBase, className, registerOnce, type Regularizer } from '../host/model/regularizers.js';
import { withKerasAbs } from '../host/penalties/kernels.js';
import { NOT_NEGATIVE, checkArguments, checkOptions, oneOf } from '../util/arguments.js';

/** What `orthogonal` takes. */
export interface OrthogonalArgs {
  /** The coefficient: the penalty of a weight whose rows (columns) are all parallel. Default 0.01. */
  factor?: number | undefined;
  /** What is to be orthogonal to each other. Default `'rows'`. */
  mode?: OrthogonalMode | undefined;
}

/** Rows: the weight's first axis, that of the inputs in a dense layer's kernel. Columns: its second, that of the units. */
export type OrthogonalMode = 'rows' | 'columns';

/** What keeps a row of zeros from dividing by 0, as in Keras. */
const LEAST_SQUARED_LENGTH = 1e-12;

/**
 * A regularizer that asks the rows, or the columns, of a matrix to be orthogonal: Keras's `OrthogonalRegularizer`.
 *
 * ```js
 * tf.layers.dense({units: 8, kernelRegularizer: orthogonal({factor: 0.1, mode: 'columns'})});
 * ```
 *
 * The penalty is `factor` times the mean of `|cosine|` over all pairs of rows: 0 where they are orthogonal, `factor` where they
 * are parallel, whatever their lengths. Half of the pairs that the formula sums up are the other half again, as in Keras. The
 * derivative of `abs` at 0 is Keras's 0.
 *
 * A model saves it under Keras's name. This call registers the class, so that such a model can be loaded;
 * `registerKerasClasses()` does so too.
 *
 * @returns A regularizer for any argument of a layer that ends in `Regularizer`.
 * @throws Error if `factor` is not a finite number, 0 or more, or `mode` is unknown. Training throws if the weight is not a
 *   matrix, or has only one row (column), for which Keras returns NaN.
 * @see {@link https://github.com/keras-team/keras/blob/v3.15.1/keras/src/regularizers/regularizers.py | OrthogonalRegularizer}
 */
export function orthogonal(args: OrthogonalArgs = {}): OrthogonalRegularizer {
  checkArguments('orthogonal', args, ['factor', 'mode']);
  const regularizer = new OrthogonalRegularizer(args);
  registerOnce(OrthogonalRegularizer);
  return regularizer;
}

/** What `orthogonal` returns: a regularizer of TensorFlow.js. */
export class OrthogonalRegularizer extends RegularizerBase {
  /** The name under which Keras saves the class. */
  static readonly className = 'OrthogonalRegularizer';

  /** The coefficient. */
  readonly factor: number;
  /** What is to be orthogonal. */
  readonly mode: OrthogonalMode;

  constructor({ factor = 0.01, mode = 'rows' }: OrthogonalArgs = {}) {
    super();
    checkOptions('orthogonal', { factor, mode }, { factor: NOT_NEGATIVE, mode: oneOf('rows', 'columns') });
    this.factor = factor;
    this.mode = mode;
  }

  /** @internal */
  override apply(weight: Tensor): Scalar {
    const axis = this.mode === 'rows' ? 0 : 1;
    const size = weight.shape[axis]!;
    if (weight.rank !== 2 || size < 2) {
      throw new Error(
        `Expected a weight with \`orthogonal({mode: '${this.mode}'})\` to be a matrix with two ${this.mode} or more, got the ` +
          `shape [${weight.shape}]. Use another regularizer for it.`,
      );
    }
    return tidy(() => {
      const squaredLengths = sum(square(weight), 1 - axis, true);
      const directions = div<Tensor2D>(weight, sqrt(maximum(squaredLengths, LEAST_SQUARED_LENGTH)));
      const cosines = matMul(directions, directions, axis === 1, axis === 0);
      const offDiagonal = mul(cosines, sub(1, eye(size)));
      const both = withKerasAbs(() => sum<Scalar>(abs(offDiagonal)));
      return mul(both, this.factor / (size * (size - 1)));
    });
  }

  /** What a saved model holds of it, for Keras too. */
  override getConfig(): Pick<OrthogonalRegularizer, 'factor' | 'mode'> {
    return { factor: this.factor, mode: this.mode };
  }
}

/** By its name and members, because the ESM and the CommonJS build of this library can meet in one program. */
export const isOrthogonal = (
  regularizer: Regularizer,
): regularizer is Regularizer & Pick<OrthogonalRegularizer, 'factor' | 'mode'> =>
  className(regularizer) === OrthogonalRegularizer.className && 'factor' in regularizer && 'mode' in regularizer;
