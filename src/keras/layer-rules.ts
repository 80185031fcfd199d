import * as rules from './field-rules.js';
import { only, same, toTrain, unused, type Rule } from './field-rules.js';
import type { Json, JsonObject } from './json.js';
import { refuse, type Place } from './refuse.js';

/** What a class of layers has of its own. */
interface LayerRules {
  /** Its weights in Keras's order: `name`, or `name:Keras's name`, and after `?` the field that switches it on. */
  weights?: string;
  /** Rules that differ from `FIELDS`. */
  fields?: Record<string, Rule>;
  /** Fields under another name. */
  renamed?: Record<string, string>;
  /** Whether TensorFlow.js can train it. Default `true`. */
  trains?: boolean;
  /** What both do with a mask: hand it on, compute with it, or begin one. Default: what they do differs. */
  mask?: 'passes' | 'uses' | 'begins';
}

const fields = (names: string, rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.split(' ').map((name) => [name, rule]));

/** By the name of a field, or by `*` and its last word. */
const FIELDS = new Map(
  Object.entries<Rule>({
    ...fields('name trainable units filters kernel_size strides pool_size use_bias depth_multiplier size n dims', same),
    ...fields('return_sequences return_state go_backwards unit_forget_bias merge_mode stddev target_shape axis', same),
    ...fields('axes normalize max_value shared_axes mask_value mask_zero input_dim output_dim momentum epsilon', same),
    ...fields('center scale offset cropping', same),
    ...fields('rate dropout recurrent_dropout', rules.rate),
    ...fields('l1 l2', rules.activityPenalty),
    ...fields('noise_shape output_padding', only(null)),
    ...fields('seed unroll zero_output_for_mask', unused),
    ...fields('stateful keepdims sparse ragged optional', only(false)),
    ...fields('groups alpha', only(1)),
    ...fields('activation recurrent_activation', rules.activation),
    '*_initializer': rules.initializer,
    '*_regularizer': rules.regularizer,
    '*_constraint': rules.noConstraint,
    activity_regularizer: rules.noActivityRegularizer,
    data_format: only('channels_last'),
    dilation_rate: rules.undilatedToTrain,
    dtype: rules.dtype,
    padding: only('valid', 'same'),
  }),
);

const KERNEL: LayerRules = { weights: 'kernel bias?use_bias' };
const CELL: LayerRules = { weights: 'kernel recurrent_kernel bias?use_bias' };
const RECURRENT: LayerRules = { ...CELL, mask: 'uses' };
const GRU: LayerRules = { ...CELL, fields: { reset_after: rules.noResetAfter } };

const layers = (names: string, own: LayerRules): Record<string, LayerRules> =>
  Object.fromEntries(names.split(' ').map((name) => [name, own]));

/** The layers of Keras that TensorFlow.js has. */
const LAYERS = new Map(
  Object.entries<LayerRules>({
    ...layers(
      'Add Average AveragePooling1D AveragePooling2D AveragePooling3D ActivityRegularization Bidirectional',
      {},
    ),
    ...layers('Concatenate Cropping2D Dot ELU Flatten GlobalAveragePooling1D GlobalAveragePooling2D', {}),
    ...layers('GlobalMaxPooling1D GlobalMaxPooling2D Maximum MaxPooling1D MaxPooling2D MaxPooling3D Minimum', {}),
    ...layers('Multiply Permute RepeatVector Rescaling Reshape SpatialDropout1D StackedRNNCells TimeDistributed', {}),
    ...layers('Activation AlphaDropout Dropout GaussianDropout GaussianNoise', { mask: 'passes' }),
    ...layers('Conv1D Conv2D Conv2DTranspose Conv3D', KERNEL),
    ...layers('SimpleRNNCell LSTMCell', CELL),
    ...layers('SimpleRNN LSTM', RECURRENT),
    BatchNormalization: {
      weights: 'gamma?scale beta?center moving_mean moving_variance',
      fields: {
        ...fields('trainable center scale', toTrain(true)),
        ...fields('synchronized renorm_clipping renorm_momentum', unused),
        renorm: only(false),
        axis: rules.lastAxis,
      },
    },
    Conv3DTranspose: { ...KERNEL, trains: false },
    ConvLSTM2D: { ...CELL, fields: { return_state: only(false), trainable: toTrain(true) } },
    Dense: { ...KERNEL, mask: 'passes' },
    DepthwiseConv2D: {
      weights: 'depthwise_kernel:kernel bias?use_bias',
      fields: { dilation_rate: rules.undilated },
    },
    Embedding: { weights: 'embeddings', mask: 'begins' },
    GRU: { ...RECURRENT, ...GRU },
    GRUCell: GRU,
    InputLayer: {
      renamed: { batch_shape: 'batch_input_shape' },
      fields: { batch_shape: same, dtype: rules.inputType },
    },
    LayerNormalization: {
      weights: 'gamma?scale beta?center',
      fields: { ...fields('center scale', toTrain(true)), rms_scaling: only(false) },
      mask: 'passes',
    },
    LeakyReLU: { renamed: { negative_slope: 'alpha' }, fields: { negative_slope: same } },
    Masking: { mask: 'begins' },
    PReLU: { weights: 'alpha' },
    ReLU: { fields: fields('negative_slope threshold', only(0)) },
    RNN: { mask: 'uses' },
    SeparableConv2D: { weights: 'depthwise_kernel pointwise_kernel bias?use_bias' },
    Softmax: { fields: { axis: only(-1) } },
    UpSampling2D: { fields: { interpolation: only('nearest') } },
    ZeroPadding2D: { fields: { padding: same } },
  }),
);

/** Fields that hold layers. */
export const INNER = ['layer', 'backward_layer', 'cell', 'cells'];

/**
 * A layer's config as TensorFlow.js reads it, without the layers within it.
 *
 * @throws Error that names the layer, where TensorFlow.js has no such layer or would compute something else.
 */
export function upgradeConfig(config: JsonObject, place: Place): JsonObject {
  const own = LAYERS.get(place.className);
  if (own === undefined) {
    throw new Error(
      `Expected layers that TensorFlow.js has and computes as Keras does, got the ${place.className} layer \`${place.path}\`. ` +
        'Build the model of others in Keras.',
    );
  }
  if (own.trains === false && !place.predictOnly) {
    toTrain('that of a layer that TensorFlow.js can train')(place.className, place, 'class_name');
  }
  return Object.fromEntries(
    Object.entries(config).flatMap(([field, value]): Array<[string, Json]> => {
      if (INNER.includes(field)) return [];
      const rule = own.fields?.[field] ?? FIELDS.get(field) ?? FIELDS.get(`*${field.slice(field.lastIndexOf('_'))}`);
      if (rule === undefined && value === null) return [];
      const result = (rule ?? unknownField)(value, place, field);
      return result === undefined ? [] : [[own.renamed?.[field] ?? field, result]];
    }),
  );
}

const unknownField: Rule = (value, place, field) =>
  refuse(
    place,
    field,
    value,
    'null',
    'TensorFlow.js has no such field: leave it out in Keras, and save the model again.',
  );

/** What the host and Keras both do with a mask; `undefined` where it differs. */
export const maskRule = (className: string): LayerRules['mask'] => LAYERS.get(className)?.mask;

/** The weights of a layer or cell in Keras's order. */
export function weightsOf(className: string, config: JsonObject): Array<{ keras: string; tfjs: string }> {
  return (LAYERS.get(className)?.weights?.split(' ') ?? []).flatMap((entry) => {
    const [names, field] = entry.split('?') as [string, string?];
    const [tfjs, keras = tfjs] = names.split(':') as [string, string?];
    return field !== undefined && config[field] === false ? [] : [{ keras, tfjs }];
  });
}
