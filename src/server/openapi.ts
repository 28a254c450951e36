import type { FilterField } from '../query/filter-fields.js'
import { FILTER_FIELDS } from '../query/filter-fields.js'
import { AUDIT_ID, ofPattern, parameterSchema } from '../query/parameter.js'
import { VERSION } from '../version.js'
import { type Schema, SCHEMAS } from './openapi-schemas.js'
import type { Route } from './route.js'

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })

/** Statuses that every route for readers may answer with. */
const READERS_PROBLEMS = [400, 401, 403, 503, 504]
const EVERYBODYS_PROBLEMS = [429]

/** The OpenAPI 3.1 document of some routes. */
export function openapiDocument(routes: readonly Route[]): Schema {
  return {
    openapi: '3.1.0',
    info: {
      title: 'The audit trail of secret access',
      version: VERSION,
      description: 'Every read of the trail leaves a row in it, with the reader and the filter.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: Object.fromEntries(routes.map((route) => [route.path, { get: operation(route) }])),
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-otel-audit-session',
          description: 'Of who is signed in; from pages of this origin only.',
        },
      },
    },
  }
}

function operation(route: Route): Schema {
  const {
    operationId,
    summary,
    description,
    access,
    path,
    filter = [],
    parameters = {},
    answers,
    redirects = [],
  } = route
  const problems = [
    ...(access === 'readers' ? READERS_PROBLEMS : []),
    ...(route.problems ?? []),
    ...EVERYBODYS_PROBLEMS,
  ]
  const content = (types: Readonly<Record<string, string>>): Schema =>
    Object.fromEntries(Object.entries(types).map(([type, name]) => [type, { schema: ref(name) }]))
  return {
    operationId,
    summary,
    ...(description !== undefined && { description }),
    security: access === 'readers' ? [{ bearer: [] }, { session: [] }] : [],
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
        name,
        in: 'path',
        required: true,
        schema: ofPattern(AUDIT_ID),
      })),
      ...filter.map((name) => parameter(name, FILTER_FIELDS[name])),
      ...Object.entries(parameters).map(([name, field]) => parameter(name, field)),
    ],
    responses: {
      ...(redirects.length === 0 && { 200: { description: summary, content: content(answers) } }),
      ...Object.fromEntries(redirects.map((status) => [status, { description: summary }])),
      ...Object.fromEntries(
        problems.map((status) => [
          status,
          { description: 'A problem document.', content: content({ 'application/problem+json': 'Problem' }) },
        ]),
      ),
    },
  }
}

function parameter(name: string, field: FilterField): Schema {
  return { name, in: 'query', description: field.doc, example: field.example, schema: parameterSchema(field) }
}
