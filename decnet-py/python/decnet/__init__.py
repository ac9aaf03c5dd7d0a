from ._decnet import *
