"""Unpacks what tfjs-node needs of TensorFlow's wheel: `unpack-wheel.py FOLDER`, the folder of the wheel (a zip file)."""

import pathlib
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

folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(folder.glob('*.whl'))) as archive:
    archive.extractall(folder, [name for name in archive.namelist() if name.startswith(WANTED)])
