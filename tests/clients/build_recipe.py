"""Builds a recipe with rattler-build against a channel, and perhaps uploads what
came out.

in:  recipe (YAML), channel, auth, host, key, output
out: packages: [path]
"""

from pathlib import Path

from common import answer, question, rattler_auth

q = question()
rattler_auth(q.get("auth"), q.get("host", "127.0.0.1"), q.get("key"))

from rattler_build import Stage0Recipe, VariantConfig  # noqa: E402

output = Path(q["output"])
output.mkdir(parents=True, exist_ok=True)
recipe = output / "recipe.yaml"
recipe.write_text(q["recipe"])
packages = []
for variant in Stage0Recipe.from_file(recipe).render(VariantConfig()):
    result = variant.run_build(output_dir=output, channels=[q["channel"]])
    packages += [str(p) for p in result.packages]
answer({"packages": packages})
