/**
 * How the accesses of a client are seen, and held back in strict mode. `hook`: by a hook of its public members. `wire`: by its
 * traffic. `none`: not at all.
 */
export type Layer = 'hook' | 'wire' | 'none'

export interface KnownClient {
  readonly layer: Layer
  /** Where the hook is not: the client is bundled, or loaded before us, or `@opentelemetry/instrumentation` is not there. */
  readonly otherwise: Exclude<Layer, 'hook'>
  readonly note?: string
}

const hooked = (otherwise: KnownClient['otherwise'], note?: string): KnownClient => ({
  layer: 'hook',
  otherwise,
  ...(note !== undefined && { note }),
})
const wire = (note?: string): KnownClient => ({
  layer: 'wire',
  otherwise: 'wire',
  ...(note !== undefined && { note }),
})
const none = (note: string): KnownClient => ({ layer: 'none', otherwise: 'none', note })

const GRPC = 'over gRPC, which is at most observed: in a bundle, use its option fallback (HTTP)'
const CHILD = 'it starts a process of its own'
const KEYRING = 'the keyring of the desktop: put guard() around it'
const NO_PATTERN = 'its protocol is not known to the wire: put guard() around it'

/** Clients of secret managers on npm, by the name of the package. What is not here may still be seen by its traffic. */
export const KNOWN_CLIENTS: ReadonlyMap<string, KnownClient> = new Map(
  Object.entries({
    '@aws-sdk/client-secrets-manager': hooked('wire'),
    '@aws-sdk/client-ssm': hooked('wire'),
    '@aws-sdk/client-kms': hooked('wire'),
    '@aws-sdk/rds-signer': hooked('none', 'its tokens are signed in the process'),
    'node-vault': hooked('wire'),
    '@google-cloud/secret-manager': hooked('none', GRPC),
    '@google-cloud/kms': hooked('none', GRPC),
    '@azure/keyvault-secrets': hooked('wire'),
    '@azure/keyvault-keys': hooked(
      'wire',
      'what it decrypts itself, with a key that it has, is seen by the hook only',
    ),
    '@1password/sdk': hooked('none', 'its traffic is encrypted within TLS'),
    '@kubernetes/client-node': wire(),
    '@infisical/sdk': wire(),
    'infisical-node': wire(),
    '@1password/connect': wire(),
    '@dopplerhq/node-sdk': wire(),
    'hashi-vault-js': wire(),
    '@litehex/node-vault': wire(),
    'aws-sdk': wire('version 2, without support of AWS since 2025'),
    '@aws-lite/ssm': wire(),
    '@aws-lite/secrets-manager': wire(),
    '@aws-lite/kms': wire(),
    '@dapr/dapr': wire('over HTTP; over gRPC it is not seen'),
    keytar: none(KEYRING),
    '@napi-rs/keyring': none(KEYRING),
    '@1password/op-js': none(CHILD),
    '@bitwarden/sdk-napi': none('its requests are made outside of Node'),
    '@keeper-security/secrets-manager-core': none(NO_PATTERN),
    '@ibm-cloud/secrets-manager': wire(),
    'oci-secrets': wire(),
    akeyless: wire('its rows do not name the secret, which is in a body that is not read'),
  } satisfies Record<string, KnownClient>),
)

/**
 * Whether an access of the client cannot be missed, nor released before its row: it is hooked, or its traffic is held back at
 * the wire. A client that is not hooked and not known is one that nothing is said of.
 */
export function isCovered({ name, state }: { readonly name: string; readonly state: string }): boolean {
  if (state === 'hooked' || state === 'wire') return true
  return state === 'not_hooked' && KNOWN_CLIENTS.get(name)?.otherwise === 'wire'
}
