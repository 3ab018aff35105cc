package conda_test

import (
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/conda/condatest"
)

func BenchmarkParseFilename(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conda.ParseFilename("scikit-learn-1.5.2.post1-py312h7a48858_1.conda"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseMatchSpec(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conda.ParseMatchSpec("numpy >=1.19,<3 *_cpython"); err != nil {
			b.Fatal(err)
		}
	}
}

var benchSpec = condatest.Spec{
	Name: "scikit-learn", Version: "1.5.2", Build: "py312h7a48858_1", Subdir: "linux-64", Timestamp: 1700000000000, License: "BSD-3-Clause",
	Depends: []string{"__glibc >=2.17,<3.0.a0", "joblib >=1.2.0", "libgcc >=13", "numpy >=1.19,<3", "python >=3.12,<3.13.0a0", "python_abi 3.12.* *_cp312"},
	About:   map[string]any{"summary": "A set of Python modules"},
	Files:   map[string]string{"lib/a.py": strings.Repeat("import this\n", 500), "bin/a": "#!/bin/sh\n"},
}

func benchmarkInspect(b *testing.B, spec condatest.Spec) {
	filename, data := condatest.Build(spec)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := inspect(filename, data, "linux-64", conda.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInspectConda(b *testing.B) { benchmarkInspect(b, benchSpec) }

func BenchmarkInspectTarBz2(b *testing.B) {
	spec := benchSpec
	spec.TarBz2 = true
	benchmarkInspect(b, spec)
}

func BenchmarkRecord(b *testing.B) {
	filename, data := condatest.Build(benchSpec)
	info, err := inspect(filename, data, "", conda.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		info.Record(1, [32]byte{}, [16]byte{}, 1)
	}
}
