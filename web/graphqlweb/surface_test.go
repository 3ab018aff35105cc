package graphqlweb

import (
	"testing"

	"github.com/fairwayhq/fairway/web"
)

// New panics when the schema and its resolvers disagree: then no gateway starts.
func TestSchemaResolves(t *testing.T) {
	t.Parallel()
	New(new(web.Env))
}
