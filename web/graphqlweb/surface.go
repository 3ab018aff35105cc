package graphqlweb

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/graph-gophers/graphql-go"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

//go:embed schema.graphql
var schemaSource string

// Schema is the API's schema, in GraphQL's own language.
func Schema() string { return schemaSource }

// Limits of a request. A query as clients send them needs a tenth of each.
const (
	maxBody       = 256 << 10 // bytes of the request
	maxQuery      = 32 << 10  // bytes of the query in it
	maxDepth      = 12
	maxSelections = 1000
	maxOverlaps   = 10_000
	parallel      = 4
	timeout       = 15 * time.Second
)

// Surface is the GraphQL side of the gateway.
type Surface struct {
	env    *web.Env
	schema *graphql.Schema
	router *web.Router
}

// New makes the surface. It panics if the schema and its resolvers disagree, which
// is a programming error.
func New(env *web.Env) *Surface {
	s := &Surface{env: env}
	s.schema = graphql.MustParseSchema(schemaSource, &root{env.Gateway},
		graphql.UseStringDescriptions(), graphql.UseFieldResolvers(), graphql.MaxDepth(maxDepth), graphql.MaxQueryLength(maxQuery),
		graphql.MaxSelections(maxSelections), graphql.OverlapValidationLimit(maxOverlaps), graphql.MaxParallelism(parallel))
	s.router = web.NewRouter([]web.Route{
		{Method: "POST", Pattern: "/api/graphql", Further: []string{
			"channel:read", "package:read", "package:read-closed", "channel:update", "package:delete", "key:read", "key:create", "key:delete",
		}, Handler: s.query},
	}, func(w http.ResponseWriter, r *http.Request, status int, message string) {
		s.Refuse(w, r, &gateway.Error{Status: status, Message: message})
	})
	return s
}

// Routes is the table of the surface.
func (s *Surface) Routes() []web.Route { return s.router.Routes() }

// Serve answers a request for the route; false when it is for nothing here.
func (s *Surface) Serve(w http.ResponseWriter, r *http.Request) bool { return s.router.Serve(w, r) }

// request is a GraphQL request (GraphQL over HTTP, §5).
type request struct {
	Query         string          `json:"query"`
	OperationName string          `json:"operationName"`
	Variables     map[string]any  `json:"variables"`
	Extensions    json.RawMessage `json:"extensions"`
}

func (s *Surface) query(w http.ResponseWriter, r *http.Request, _ web.Params) {
	c, err := s.env.Caller(r, "")
	var in request
	if err == nil {
		in, err = read(w, r)
	}
	if err != nil {
		s.Refuse(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	ctx = context.WithValue(ctx, stateKey{}, &state{caller: c, left: budget})
	answer := s.schema.Exec(ctx, in.Query, in.OperationName, in.Variables)
	for _, e := range answer.Errors {
		s.shape(r, e.ResolverError, func(message string, extensions map[string]any) {
			e.Message, e.Extensions = message, extensions
		})
	}
	outcome := "answered"
	if len(answer.Errors) > 0 {
		outcome = "refused"
	}
	s.env.Served("graphql", outcome)
	web.WriteJSON(w, http.StatusOK, answer)
}

// shape words the error of a resolver for its caller.
func (s *Surface) shape(r *http.Request, err error, set func(string, map[string]any)) {
	if err == nil {
		return // the library's own, about the query
	}
	fault := s.env.Fault(r, err)
	set(fault.Message, map[string]any{"code": http.StatusText(fault.Status), "status": fault.Status})
}

// read takes a request's body within its limits.
func read(w http.ResponseWriter, r *http.Request) (in request, err error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return in, gateway.Errorf(http.StatusUnsupportedMediaType, "Content-Type is %.80q: application/json is expected", r.Header.Get("Content-Type"))
	}
	raw, err := io.ReadAll(web.SmallBody(w, r, maxBody))
	if err != nil {
		return in, err
	}
	if err := json.Unmarshal(raw, &in); err != nil || !utf8.Valid(raw) {
		return in, gateway.Errorf(http.StatusBadRequest, "the body cannot be read as JSON: an object with a 'query', in UTF-8, is expected")
	}
	if in.Query == "" {
		return in, gateway.Errorf(http.StatusBadRequest, "the body has no 'query'")
	}
	return in, nil
}

// Refuse answers a request that is no GraphQL request, in GraphQL's shape.
func (s *Surface) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	web.Drain(w, r)
	fault := s.env.Fault(r, err)
	s.env.Served("graphql", web.Outcome(fault.Status))
	web.ErrorHeaders(w.Header(), fault.Status)
	type item struct {
		Message string `json:"message"`
	}
	web.WriteJSON(w, fault.Status, struct {
		Errors []item `json:"errors"`
	}{[]item{{fault.Message}}})
}
