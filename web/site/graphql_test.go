package site

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/gateway"
)

// GraphQL is no way around what a key may read: it shows files that the key may fetch,
// and those of indexes that it may read.
func TestGraphQLShowsWhatTheKeyMayRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{})
	w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"c"}`)
	for _, s := range []condatest.Spec{
		{Name: "both", Version: "1", Build: "0", Subdir: "noarch"}, {Name: "both", Version: "1", Build: "0", Subdir: "linux-64"},
		{Name: "pure", Version: "1", Build: "0", Subdir: "noarch"}, {Name: "pure", Version: "2", Build: "0", Subdir: "noarch"},
	} {
		w.publish("c", s)
	}
	w.want(200, "POST", "/api/v1/yank/c/noarch/pure-2-0.conda", w.admin, `{"reason":"secret"}`)
	key := func(body string) string {
		made := w.want(201, "POST", "/api/v1/apikeys", w.admin, `{"name":`+strconv.Quote(body)+`,`+body+`}`)
		return made["value"].(string)
	}
	policy := func(perm string) string {
		w.want(201, "POST", "/api/v1/policies", w.admin, `{"name":"only `+perm+`","permissions":["`+perm+`"]}`)
		return key(`"policy":"only ` + perm + `"`)
	}
	reader, native := key(`"role":"reader"`), key(`"role":"reader","scope":{"subdirs":["linux-64"]}`)
	one := key(`"role":"reader","scope":{"packages":["both"]}`)
	fetch, index := policy("package:read"), policy("channel:read")

	const variants = `variants(includeHidden:true) { page { platform filename yankedReason } }`
	of := func(name string) string {
		return `{ package(channelName:"c", name:"` + name + `") { ` + variants + ` } }`
	}
	const list = `{ channel(name:"c") { packages { page { name ` + variants + ` } } } }`
	const round = `{ package(channelName:"c", name:"both") { channel { name packages { totalCount page { name } } } } }`
	for _, c := range []struct {
		name, key, query string
		shows, hides     []string
	}{
		{"reader", reader, of("both"), []string{"noarch", "linux-64"}, nil},
		{"reader", reader, of("pure"), []string{"pure-1-0", "pure-2-0", "secret"}, nil},
		{"reader", reader, round, []string{`"totalCount":2`}, []string{"errors"}},
		{"a key for one subdir", native, of("both"), []string{"linux-64"}, []string{"noarch"}},
		{"a key for one subdir", native, of("pure"), []string{`"package":null`}, []string{"noarch"}},
		{"a key for one subdir", native, list, []string{"linux-64"}, []string{"noarch", "pure-1", "secret"}},
		{"a key for one package", one, of("pure"), []string{`"package":null`}, nil},
		{"a key for one package", one, list, []string{"both-1-0", "pure-1-0"}, []string{"pure-2-0", "secret"}},
		{"files alone", fetch, of("pure"), []string{"pure-1-0", "pure-2-0"}, nil},
		{"files alone", fetch, round, []string{"channel:read"}, []string{"totalCount", "pure"}},
		{"indexes alone", index, of("pure"), []string{`"package":null`}, nil},
		{"indexes alone", index, list, []string{"both-1-0", "pure-1-0"}, []string{"pure-2-0", "secret"}},
	} {
		body, _ := json.Marshal(map[string]string{"query": c.query})
		res, raw := w.do("POST", "/api/graphql", c.key, string(body))
		if res.StatusCode != 200 {
			t.Errorf("%s: %s: %d", c.name, c.query, res.StatusCode)
		}
		for _, part := range c.shows {
			if !strings.Contains(raw, part) {
				t.Errorf("%s: %s does not show %s: %s", c.name, c.query, part, raw)
			}
		}
		for _, part := range c.hides {
			if strings.Contains(raw, part) {
				t.Errorf("%s: %s shows %s: %s", c.name, c.query, part, raw)
			}
		}
	}
}
