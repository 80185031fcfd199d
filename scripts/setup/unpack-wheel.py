"""Unpacks what tfjs-node needs of TensorFlow's wheel: `unpack-wheel.py WHEEL FOLDER` (a wheel is a zip file)."""

import sys
import zipfile

WANTED = (
    'tensorflow/libtensorflow_cc.so.2',
    'tensorflow/libtensorflow_framework.so.2',
    # The C API and what its headers include.
    'tensorflow/include/tensorflow/c/',
    'tensorflow/include/tensorflow/core/platform/ctstring',
    'tensorflow/include/tsl/platform/ctstring',
    'tensorflow/include/xla/tsl/c/',
)

wheel, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(folder, [name for name in archive.namelist() if name.startswith(WANTED)])
