"""A copy computes what the original computes, holds what it holds, and trains as it trains."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from secateur.graph import CopyError, copied, fresh
from secateur.proof.copies import prove_copy
from secateur.proof.examples import examples_for
from tests_zoo import Towers, make, quantized, MODELS

ROOT = Path(__file__).resolve().parents[3]
