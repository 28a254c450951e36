import type { OptionSpec } from './option-spec.js'
import type { DatabaseUrl } from '../postgres/database-url.js'

/** Every option of reading the trail: of `otel-audit query`, `tail`, `export`, `summary` and `serve`; `readerUrl` also of `verify`. */
export const READ_OPTIONS = Object.freeze({
  readerUrl: {
    kind: 'databaseUrl',
    secret: true,
    variables: ['NOETL_SECRET_AUDIT_READER_URL'],
    default: undefined,
    doc: 'Where the trail is read, as a login with the reader role. Default: `databaseUrl`, which is also where the row about the read is written.',
  },
  readerUrlFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_READER_URL_FILE'],
    default: undefined,
    doc: 'File with that URL, when `readerUrl` is not given. It is read at each connect.',
  },
  readTimeoutMs: {
    kind: 'integer',
    min: 10,
    max: 600_000,
    unit: 'ms',
    variables: ['NOETL_SECRET_AUDIT_READ_TIMEOUT_MS'],
    default: 30_000,
    doc: 'How long one query may take. `statement_timeout` is four fifths of it.',
  },
  readConnections: {
    kind: 'integer',
    min: 1,
    max: 100,
    unit: 'connections',
    variables: ['NOETL_SECRET_AUDIT_READ_CONNECTIONS'],
    default: 4,
    doc: 'Most connections to the database that read at once.',
  },
  cursorKey: {
    kind: 'text',
    secret: true,
    variables: ['NOETL_SECRET_AUDIT_CURSOR_KEY'],
    default: undefined,
    doc: 'Key that the server authenticates cursors with. All servers behind one address need the same one. Default: random, so that cursors end with the process.',
  },
  cursorKeyFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_CURSOR_KEY_FILE'],
    default: undefined,
    doc: 'File with that key, when `cursorKey` is not given. It is read at start.',
  },
  host: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_HOST'],
    default: '127.0.0.1',
    doc: 'Address the server listens on. Any but a loopback address needs authentication.',
  },
  port: {
    kind: 'integer',
    min: 0,
    max: 65_535,
    unit: '',
    variables: ['NOETL_SECRET_AUDIT_PORT'],
    default: 8484,
    doc: 'Port the server listens on; 0 for a free one.',
  },
  apiToken: {
    kind: 'text',
    secret: true,
    variables: ['NOETL_INTERNAL_API_TOKEN'],
    default: undefined,
    doc: 'The bearer token that may read the trail.',
  },
  apiTokenFile: {
    kind: 'text',
    variables: ['NOETL_INTERNAL_API_TOKEN_FILE'],
    default: undefined,
    doc: 'File with that token, when `apiToken` is not given. Read again when it changes.',
  },
  tokensFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_TOKENS_FILE'],
    default: undefined,
    doc: 'File of bearer tokens that may read the trail, each under a name that the row about the read has: lines `name:sha256`, with the SHA-256 of the token in hex. Read again when it changes.',
  },
  oidcIssuer: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_OIDC_ISSUER'],
    default: undefined,
    doc: 'Issuer of the OpenID Connect tokens that may read the trail. It needs `jose`, and `oidcAudience`.',
  },
  oidcAudience: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_OIDC_AUDIENCE'],
    default: undefined,
    doc: 'Audience that such a token must have.',
  },
  oidcRole: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_OIDC_ROLE'],
    default: 'audit-reader',
    doc: 'Role that such a token must have.',
  },
  oidcRoleClaim: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_OIDC_ROLE_CLAIM'],
    default: 'roles',
    doc: 'Claim that has the roles: a string or a list; with dots for nested claims (`realm_access.roles`).',
  },
  oidcReaderClaim: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_OIDC_READER_CLAIM'],
    default: 'sub',
    doc: 'Claim that names the reader in the rows: a subject is never given to somebody else; an `email` is only taken when the issuer does not say that it was not verified.',
  },
  oidcClientId: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_OIDC_CLIENT_ID'],
    default: undefined,
    doc: 'Client that people sign in to the console with, by the authorization code flow. It needs `openid-client`, `oidcIssuer` and `oidcRedirectUrl`.',
  },
  oidcClientSecretFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_OIDC_CLIENT_SECRET_FILE'],
    default: undefined,
    doc: 'File with the secret of that client. Default: a public client, which has PKCE only.',
  },
  oidcRedirectUrl: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_OIDC_REDIRECT_URL'],
    default: undefined,
    doc: 'Where the issuer sends the browser back to, as registered there: `https://audit.example/auth/callback`.',
  },
  oidcScope: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_OIDC_SCOPE'],
    default: 'openid email profile',
    doc: 'What is asked of the issuer. The ID token has to have the role.',
  },
  oidcSessionMinutes: {
    kind: 'integer',
    min: 1,
    max: 1440,
    unit: 'minutes',
    variables: ['NOETL_SECRET_AUDIT_OIDC_SESSION_MINUTES'],
    default: 480,
    doc: 'How long a sign-in lasts. It is not prolonged, and ends with the process.',
  },
  corsOrigin: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_CORS_ORIGIN'],
    default: undefined,
    doc: 'The one other origin whose pages may read responses. Default: none.',
  },
  traceUrl: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_TRACE_URL'],
    default: undefined,
    doc: 'URL that shows a trace, with `{trace_id}`: `https://jaeger.example/trace/{trace_id}`.',
  },
} satisfies Record<string, OptionSpec>)

/** Options of reading. What is left out comes from the environment, then from the defaults of {@link READ_OPTIONS}. */
export interface ReadOptions {
  readonly databaseUrl?: DatabaseUrl | undefined
  readonly databaseUrlFile?: string | undefined
  readonly passwordFile?: string | undefined
  readonly schema?: string | undefined
  readonly trail?: string | undefined
  readonly readerUrl?: DatabaseUrl | undefined
  readonly readerUrlFile?: string | undefined
  readonly readTimeoutMs?: number | undefined
  readonly readConnections?: number | undefined
  readonly cursorKey?: string | undefined
  readonly cursorKeyFile?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly apiToken?: string | undefined
  readonly apiTokenFile?: string | undefined
  readonly tokensFile?: string | undefined
  readonly oidcIssuer?: string | undefined
  readonly oidcAudience?: string | undefined
  readonly oidcRole?: string | undefined
  readonly oidcRoleClaim?: string | undefined
  readonly oidcReaderClaim?: string | undefined
  readonly oidcClientId?: string | undefined
  readonly oidcClientSecretFile?: string | undefined
  readonly oidcRedirectUrl?: string | undefined
  readonly oidcScope?: string | undefined
  readonly oidcSessionMinutes?: number | undefined
  readonly corsOrigin?: string | undefined
  readonly traceUrl?: string | undefined
}

/** Options of reading that have a default. */
type Defaulted =
  | 'schema'
  | 'readTimeoutMs'
  | 'readConnections'
  | 'host'
  | 'port'
  | 'oidcRole'
  | 'oidcRoleClaim'
  | 'oidcReaderClaim'
  | 'oidcScope'
  | 'oidcSessionMinutes'

/** All options of reading, parsed and checked. */
export type ReadSettings = Readonly<Required<{ [Name in Defaulted]: NonNullable<ReadOptions[Name]> }>> &
  Omit<ReadOptions, Defaulted>
