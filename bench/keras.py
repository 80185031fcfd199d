"""Times the steps of the benchmark's MLP and conv nets in Keras, on the same TensorFlow; prints JSON.

The ways take turns, one epoch each, and the medians count, as in the benchmark of TensorFlow.js.
"""

import json
import statistics
import sys
import time

import numpy as np
import tensorflow as tf
import tf_keras as keras

L2 = 1e-4


def mlp(kernel_regularizer):
    options = {"kernel_regularizer": kernel_regularizer}
    return [
        keras.layers.Dense(1024, activation="relu", input_shape=(784,), **options),
        keras.layers.Dense(1024, activation="relu", **options),
        keras.layers.Dense(10, activation="softmax", **options),
    ]


def conv_net(shape):
    def layers(kernel_regularizer):
        options = {"kernel_regularizer": kernel_regularizer}
        return [
            keras.layers.Conv2D(16, 3, activation="relu", input_shape=shape, **options),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu", **options),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax", **options),
        ]

    return layers


WORKLOADS = {
    "mlp-32": (mlp, (784,), 32, 10),
    "mlp-256": (mlp, (784,), 256, 4),
    "conv-28": (conv_net((28, 28, 1)), (28, 28, 1), 32, 8),
    "conv-64": (conv_net((64, 64, 3)), (64, 64, 3), 32, 3),
}


def milliseconds_per_step(layers, shape, batch_size, steps, rounds):
    numbers = np.random.default_rng(1)
    x = numbers.normal(size=(batch_size * steps, *shape)).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[numbers.integers(0, 10, batch_size * steps)]
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size).cache()
    models = {}
    for way, regularizer in {"none": None, "l2": keras.regularizers.L2(L2)}.items():
        models[way] = keras.Sequential(layers(regularizer))
        models[way].compile(loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(0.01))
    times = {way: [] for way in models}
    for round_number in range(rounds + 2):
        for way, model in models.items():
            begin = time.perf_counter()
            for batch_x, batch_y in batches:
                model.train_on_batch(batch_x, batch_y)
            if round_number >= 2:
                times[way].append((time.perf_counter() - begin) / steps * 1000)
    return {way: statistics.median(values) for way, values in times.items()}


if __name__ == "__main__":
    ROUNDS = int(sys.argv[1])
    print(json.dumps({name: milliseconds_per_step(*spec, ROUNDS) for name, spec in WORKLOADS.items()}))
