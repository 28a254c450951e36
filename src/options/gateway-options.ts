import type { OptionSpec } from './option-spec.js'

/** Every option of `otel-audit gateway` beside those of recording. */
export const GATEWAY_OPTIONS = Object.freeze({
  host: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_HOST'],
    default: '127.0.0.1',
    doc: 'Address the gateway listens on. Any but a loopback address needs senders to prove who they are.',
  },
  port: {
    kind: 'integer',
    min: 0,
    max: 65_535,
    unit: '',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_PORT'],
    default: 4319,
    doc: 'Port the gateway listens on; 0 for a free one.',
  },
  tlsCert: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_TLS_CERT'],
    default: undefined,
    doc: 'File with the certificate chain of the gateway, PEM. Read again when it changes, and on SIGHUP. It needs `tlsKey`.',
  },
  tlsKey: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_TLS_KEY'],
    default: undefined,
    doc: 'File with its private key, PEM.',
  },
  tlsClientCa: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_TLS_CLIENT_CA'],
    default: undefined,
    doc: 'File with the authorities of client certificates, PEM: a sender is then known by the name (URI, DNS, email) in its certificate.',
  },
  tokensFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_TOKENS_FILE'],
    default: undefined,
    doc: 'File of bearer tokens that may send, each under a name: lines `name:sha256`, with the SHA-256 of the token in hex. Read again when it changes.',
  },
  oidcIssuer: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_OIDC_ISSUER'],
    default: undefined,
    doc: 'Issuer of the OpenID Connect tokens that may send; a sender is known by the subject. It needs `jose`, and `oidcAudience`.',
  },
  oidcAudience: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_OIDC_AUDIENCE'],
    default: undefined,
    doc: 'Audience that such a token must have.',
  },
  oidcRole: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_OIDC_ROLE'],
    default: 'audit-sender',
    doc: 'Role that such a token must have.',
  },
  oidcRoleClaim: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_OIDC_ROLE_CLAIM'],
    default: 'roles',
    doc: 'Claim that has the roles: a string or a list; with dots for nested claims (`realm_access.roles`).',
  },
  policyFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_POLICY_FILE'],
    default: undefined,
    doc: 'File that says which services a sender may speak for, JSON: sender → list of patterns of `service.name`. An event of another one is stored with `gateway.mismatch`. Read again when it changes, and on SIGHUP. Default: all.',
  },
  rejectBadCredentials: {
    kind: 'switch',
    variables: ['NOETL_SECRET_AUDIT_GATEWAY_REJECT_BAD_CREDENTIALS'],
    default: false,
    doc: 'Answer a credential that does not hold by 401 in place of 503. A collector drops what it has when it hears 401: a token that was rotated then costs records.',
  },
} satisfies Record<string, OptionSpec>)

/** Options of the gateway. What is left out comes from the environment, then from the defaults of {@link GATEWAY_OPTIONS}. */
export interface GatewayOptionsGiven {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  readonly tlsClientCa?: string | undefined
  readonly tokensFile?: string | undefined
  readonly oidcIssuer?: string | undefined
  readonly oidcAudience?: string | undefined
  readonly oidcRole?: string | undefined
  readonly oidcRoleClaim?: string | undefined
  readonly policyFile?: string | undefined
  readonly rejectBadCredentials?: boolean | undefined
}

type Defaulted = 'host' | 'port' | 'oidcRole' | 'oidcRoleClaim' | 'rejectBadCredentials'

/** All options of the gateway, parsed and checked. */
export type GatewaySettings = Readonly<
  Required<{ [Name in Defaulted]: NonNullable<GatewayOptionsGiven[Name]> }>
> &
  Omit<GatewayOptionsGiven, Defaulted>
