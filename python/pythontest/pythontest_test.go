package pythontest_test

import (
	"bytes"
	"testing"

	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/python/pythontest"
)

// What is built passes the same checks as an upload, and is the same each time.
func TestBuiltDistributionsAreSound(t *testing.T) {
	t.Parallel()
	specs := map[string]pythontest.Spec{
		"least": {Name: "ours", Version: "1.0"},
		"most": {
			Name: "Ours.Own_name", Version: "1.0-RC.1+local.7", Tag: "2build-cp312.cp313-abi3-manylinux_2_17_x86_64",
			RequiresPython: ">=3.9", RequiresDist: []string{"requests[socks]>=2; python_version<'3.13'"},
			Metadata: "Summary: a test\nKeywords: a,b\n", Description: "# Ours\n",
			Files: map[string]string{"ours.py": "x = 1\n", "data/empty": "", "we,ird": "comma"},
		},
	}
	for name, spec := range specs {
		for _, build := range []func(pythontest.Spec) (string, []byte){pythontest.Wheel, pythontest.Sdist} {
			filename, data := build(spec)
			t.Run(name+"/"+filename, func(t *testing.T) {
				t.Parallel()
				d, err := python.Inspect(bytes.NewReader(data), int64(len(data)), filename, python.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if d.Metadata.Name != spec.Name || string(d.RawMetadata) != spec.CoreMetadata() || d.Metadata.RequiresPython != spec.RequiresPython {
					t.Errorf("metadata is %+v", d.Metadata)
				}
				if _, again := build(spec); !bytes.Equal(again, data) {
					t.Error("bytes differ between two builds of one Spec")
				}
			})
		}
	}
}
