"""Does the augmentation help? Arms trained on the same clips and tested on the same strangers."""
