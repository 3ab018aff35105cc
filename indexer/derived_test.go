package indexer

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// with changes fields of a record.
func with(r Record, changes map[string]any) Record {
	var m map[string]any
	if err := json.Unmarshal(r.JSON, &m); err != nil {
		panic(err)
	}
	maps.Copy(m, changes)
	r.JSON = mustMarshal(m)
	return r
}

func TestCurrentRepodataKeepsTheNewestAndWhatItNeeds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		records []Record
		want    []string
	}{
		"newest version only": {
			[]Record{rec("a", "1.9", extConda, ""), rec("a", "1.10", extConda, ""), rec("a", "1.10rc1", extConda, "")},
			[]string{"a-1.10-0.conda"},
		},
		"a .conda for its .tar.bz2 twin": {
			[]Record{rec("a", "1.0", extConda, ""), rec("a", "1.0", extBz2, ""), rec("b", "1.0", extBz2, "")},
			[]string{"a-1.0-0.conda", "b-1.0-0.tar.bz2"},
		},
		"an older version that something newest depends on": {
			[]Record{rec("a", "1.0", extConda, "", "b <2"), rec("b", "1.0", extConda, ""), rec("b", "1.5", extConda, ""), rec("b", "2.0", extConda, "")},
			[]string{"a-1.0-0.conda", "b-1.5-0.conda", "b-2.0-0.conda"},
		},
		"what an older version depends on": {
			[]Record{
				rec("a", "1.0", extConda, "", "b <2"), rec("b", "1.0", extConda, "", "c 1.*"), rec("b", "2.0", extConda, ""),
				rec("c", "1.1", extConda, ""), rec("c", "1.0", extConda, ""), rec("c", "3.0", extConda, ""),
			},
			[]string{"a-1.0-0.conda", "b-1.0-0.conda", "b-2.0-0.conda", "c-1.1-0.conda", "c-3.0-0.conda"},
		},
		"nothing for a dependency that only another subdir has": {
			[]Record{rec("a", "1.0", extConda, "", "python >=3", "b >9"), rec("b", "1.0", extConda, "")},
			[]string{"a-1.0-0.conda", "b-1.0-0.conda"},
		},
		"the newest without features beside one with": {
			[]Record{with(rec("a", "2.0", extConda, ""), map[string]any{"track_features": "debug"}), rec("a", "1.5", extConda, ""), rec("a", "1.0", extConda, "")},
			[]string{"a-1.5-0.conda", "a-2.0-0.conda"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := newFake()
			src.put("linux-64", c.records...)
			s := openSet(t, src, Options{})
			var doc, full document
			if err := json.Unmarshal(body(t, s, "linux-64", "current_repodata.json"), &doc); err != nil {
				t.Fatal(err)
			}
			full = repodata(t, s, "linux-64")
			got := slices.Sorted(maps.Keys(doc.Conda))
			got = append(got, slices.Sorted(maps.Keys(doc.Bz2))...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for fn, r := range doc.Conda {
				if diff := cmp.Diff(full.Conda[fn], r); diff != "" {
					t.Errorf("record of %s differs from that of repodata.json:\n%s", fn, diff)
				}
			}
			if diff := cmp.Diff(full.Info, doc.Info); diff != "" || doc.Revision != 1 || doc.Removed == nil {
				t.Errorf("the document is %+v", doc)
			}
		})
	}
}

func TestChannelDataDescribesEveryNameOverAllSubdirs(t *testing.T) {
	t.Parallel()
	src := newFake()
	exports := func(r Record, raw string) Record { r.RunExports = json.RawMessage(raw); return r }
	src.put("linux-64",
		exports(rec("a", "1.9", extConda, "", "b"), `{"weak":["a 1.9"]}`),
		exports(with(rec("a", "1.10", extConda, ""), map[string]any{"timestamp": 1_700_000_000_999, "license": "MIT"}), `{}`))
	src.put("noarch", exports(rec("a", "1.10", extConda, ""), `{"noarch":["a"]}`), rec("b", "1.0", extConda, ""))
	src.about["a-1.10-0.conda"] = json.RawMessage(
		`{"summary":"é <b>","home":"https://a.example","license":"GPL","conda_version":"4","tags":[],"dev_url":null,"doc_url":"","source_url":["x","y"]}`)
	s := openSet(t, src, Options{})
	var got map[string]any
	if err := json.Unmarshal(body(t, s, "", "channeldata.json"), &got); err != nil {
		t.Fatal(err)
	}
	flags := map[string]any{
		"activate.d": false, "binary_prefix": false, "deactivate.d": false, "post_link": false, "pre_link": false, "pre_unlink": false, "text_prefix": false,
	}
	entry := func(m map[string]any) map[string]any { maps.Copy(m, flags); return m }
	want := map[string]any{
		"channeldata_version": 1.0, "subdirs": []any{"linux-64", "noarch"},
		"packages": map[string]any{
			"a": entry(map[string]any{
				"summary": "é <b>", "home": "https://a.example", "license": "MIT", "source_url": []any{"x", "y"}, "tags": []any{},
				"version": "1.10", "timestamp": 1_700_000_000.0, "subdirs": []any{"linux-64", "noarch"},
				"run_exports": map[string]any{"1.9": map[string]any{"weak": []any{"a 1.9"}}, "1.10": map[string]any{"noarch": []any{"a"}}},
			}),
			"b": entry(map[string]any{
				"license": "BSD-3-Clause", "version": "1.0", "timestamp": 1_600_000_000.0, "subdirs": []any{"noarch"},
				"run_exports": map[string]any{"1.0": map[string]any{"weak": []any{"b >=1.0"}}},
			}),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChannelDataFollowsChangesAndDescribesOnlyThoseAnew(t *testing.T) {
	t.Parallel()
	src := newFake()
	fill(src, 100)
	s := openSet(t, src, Options{})
	before, _ := s.File("team", "", "channeldata.json")
	if again, _ := s.File("team", "", "channeldata.json"); again != before {
		t.Error("it is made again though nothing changed")
	}
	asked := &askingSource{fakeSource: src}
	s.src = asked
	update(t, s, "linux-64", src.put("linux-64", rec("zz", "1.0", extConda, "")), "zz")
	after, _ := s.File("team", "", "channeldata.json")
	if !bytes.Contains(contents(t, after), []byte(`"zz":{`)) || after.ETag == before.ETag || !after.Modified.After(before.Modified) {
		t.Errorf("a publication does not show: %s %s", after.ETag, after.Modified)
	}
	if asked.abouts != 1 {
		t.Errorf("%d names were described anew", asked.abouts)
	}
	update(t, s, "linux-64", src.remove("linux-64", "zz", "zz-1.0-0.conda"), "zz")
	gone, _ := s.File("team", "", "channeldata.json")
	if !bytes.Equal(contents(t, gone), contents(t, before)) {
		t.Error("a deletion does not show")
	}
}

func TestChannelDataOfAnEmptyChannelIsValid(t *testing.T) {
	t.Parallel()
	s := openSet(t, newFake(), Options{})
	if got, want := string(body(t, s, "", "channeldata.json")), `{"channeldata_version":1,"packages":{},"subdirs":["noarch"]}`+"\n"; got != want {
		t.Errorf("got %s", got)
	}
}

// askingSource counts what channeldata.json asks for.
type askingSource struct {
	*fakeSource
	abouts int
}

func (a *askingSource) About(c context.Context, channel, subdir, filename string) (json.RawMessage, error) {
	a.abouts++
	return a.fakeSource.About(c, channel, subdir, filename)
}
