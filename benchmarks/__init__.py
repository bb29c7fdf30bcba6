"""Where the README's figures come from: ratios against a named alternative, measured in one run."""
