import { Operation } from '../../event/vocabulary.js'
import type { Access, AccessAttributes } from '../open-access.js'
import type { InstrumentSettings } from '../settings.js'
import { queryValue, type Target, type WireRequest, withoutTokens } from './target.js'

/** What a request of a provider asks for, as its path says it. */
interface Pattern {
  readonly provider: string
  /** As the coverage and the warnings show it: never a path. */
  readonly shown: string
  readonly methods: readonly string[]
  readonly path: RegExp
  readonly operation: Operation
  /** Only where the host is one of the provider's: its paths are too common. */
  readonly host?: RegExp
  /** Only with this header. */
  readonly header?: string
  /** Only where `instrument.writes`, or `instrument.identity`, is on. */
  readonly option?: 'writes' | 'identity'
  readonly credential: (parts: readonly string[], target: Target) => string | undefined
  readonly about?: (parts: readonly string[], target: Target) => AccessAttributes
}

const GET = ['GET']
const POST = ['POST']
const read = Operation.GetCredential

const AZURE_HOST =
  /\.(vault\.azure\.(net|cn)|vault\.usgovcloudapi\.net|managedhsm\.(azure\.(net|cn)|usgovcloudapi\.net))(:\d+)?$/

const at = (target: Target, ...names: readonly string[]): string | undefined => {
  for (const name of names) {
    const value = queryValue(target, name)
    if (value) return value
  }
  return undefined
}

/**
 * The requests that answer with a secret, use a key, or make a credential. The first that matches holds. What lists names,
 * and no values, has no entry.
 *
 * Source: the public HTTP API of each.
 */
const PATTERNS: readonly Pattern[] = [
  {
    provider: 'gcp',
    shown: '/v1/projects/…/secrets/…/versions/…:access',
    methods: GET,
    path: /^\/v1(?:beta1)?\/(projects\/[^/]+\/(?:locations\/([^/]+)\/)?secrets\/[^/]+\/versions\/[^/:]+):access$/,
    operation: read,
    credential: ([, name]) => name,
  },
  {
    provider: 'gcp',
    shown: '/v1/projects/…/cryptoKeys/…:decrypt',
    methods: POST,
    path: /^\/v1\/(projects\/.+\/cryptoKeys\/[^:]+):(?:decrypt|rawDecrypt|asymmetricDecrypt|asymmetricSign|macSign)$/,
    operation: Operation.UseKey,
    credential: ([, name]) => name,
  },
  {
    provider: 'gcp',
    shown: '/v1/projects/…/secrets/…:addVersion',
    methods: POST,
    path: /^\/v1\/(projects\/.+\/secrets\/[^/:]+):addVersion$/,
    operation: Operation.WriteCredential,
    option: 'writes',
    credential: ([, name]) => name,
  },
  {
    provider: '1password',
    shown: '/v1/vaults/…/items/…',
    methods: GET,
    path: /^\/v1\/vaults\/([^/]+)\/items\/([^/]+)(?:\/files\/([^/]+)\/content)?$/,
    operation: read,
    header: 'authorization',
    credential: ([, vault, item, file]) => `op://${vault}/${item}${file === undefined ? '' : `/${file}`}`,
  },
  {
    provider: 'dapr',
    shown: '/v1.0/secrets/…',
    methods: GET,
    path: /^\/v1\.0\/secrets\/([^/]+)\/([^/]+)$/,
    operation: read,
    credential: ([, store, key]) => `dapr:${store}/${key === 'bulk' ? '*' : key}`,
  },
  {
    provider: 'kubernetes',
    shown: '/api/v1/namespaces/…/secrets',
    methods: GET,
    path: /^\/api\/v1\/(?:watch\/)?(?:namespaces\/([^/]+)\/)?secrets(?:\/([^/]+))?$/,
    operation: read,
    credential: ([, namespace = '*', name = '*']) => `k8s:${namespace}/${name}`,
    about: (_, target) => ({ watch: isWatch(target) ? true : undefined }),
  },
  {
    provider: 'kubernetes',
    shown: '/api/v1/namespaces/…/serviceaccounts/…/token',
    methods: POST,
    path: /^\/api\/v1\/namespaces\/([^/]+)\/serviceaccounts\/([^/]+)\/token$/,
    operation: Operation.IssueCredential,
    credential: ([, namespace, name]) => `k8s:${namespace}/serviceaccounts/${name}`,
  },
  {
    provider: 'kubernetes',
    shown: '/api/v1/namespaces/…/secrets',
    methods: ['POST', 'PUT', 'PATCH', 'DELETE'],
    path: /^\/api\/v1\/namespaces\/([^/]+)\/secrets(?:\/([^/]+))?$/,
    operation: Operation.WriteCredential,
    option: 'writes',
    credential: ([, namespace, name = '*']) => `k8s:${namespace}/${name}`,
  },
  {
    provider: 'infisical',
    shown: '/api/v3/secrets',
    methods: GET,
    path: /^\/api\/v[34]\/secrets(?:\/raw)?(?:\/([^/]+))?$/,
    operation: read,
    credential([, name = '*'], target) {
      const project = at(target, 'workspaceId', 'workspaceSlug', 'projectId') ?? '*'
      const folder = (at(target, 'secretPath') ?? '/').replaceAll(/^\/+|\/+$/g, '')
      return [project, at(target, 'environment') ?? '*', ...(folder === '' ? [] : [folder]), name].join('/')
    },
  },
  {
    provider: 'doppler',
    shown: '/v3/configs/config/secrets',
    methods: GET,
    path: /^\/v3\/configs\/config\/secrets?(?:\/download)?$/,
    operation: read,
    credential: (_, target) =>
      [at(target, 'project') ?? '*', at(target, 'config') ?? '*', at(target, 'name') ?? '*'].join('/'),
  },
  {
    provider: 'azure',
    shown: '/secrets/…',
    methods: GET,
    path: /^\/secrets\/([^/]+)(?:\/((?!versions$)[^/]+))?$/,
    operation: read,
    host: AZURE_HOST,
    credential: ([, name], { host }) => `https://${host}/secrets/${name}`,
    about: ([, , version]) => ({ version }),
  },
  {
    provider: 'azure',
    shown: '/secrets/…/backup',
    methods: POST,
    path: /^\/secrets\/([^/]+)\/backup$/,
    operation: read,
    host: AZURE_HOST,
    credential: ([, name], { host }) => `https://${host}/secrets/${name}`,
  },
  {
    provider: 'azure',
    shown: '/keys/…/decrypt',
    methods: POST,
    path: /^\/keys\/([^/]+)(?:\/([^/]+))?\/(?:decrypt|unwrapkey|sign|release)$/,
    operation: Operation.UseKey,
    host: AZURE_HOST,
    credential: ([, name], { host }) => `https://${host}/keys/${name}`,
    about: ([, , version]) => ({ version }),
  },
  {
    provider: 'azure',
    shown: '/secrets/…',
    methods: ['PUT', 'DELETE'],
    path: /^\/secrets\/([^/]+)$/,
    operation: Operation.WriteCredential,
    host: AZURE_HOST,
    option: 'writes',
    credential: ([, name], { host }) => `https://${host}/secrets/${name}`,
  },
  // The extension of Lambda, and the agent of Secrets Manager.
  {
    provider: 'aws',
    shown: '/secretsmanager/get',
    methods: GET,
    path: /^\/secretsmanager\/get$/,
    operation: read,
    credential: (_, target) => at(target, 'secretId'),
    about: (_, target) => ({ version: at(target, 'versionId'), stage: at(target, 'versionStage') }),
  },
  {
    provider: 'aws',
    shown: '/systemsmanager/parameters/get',
    methods: GET,
    path: /^\/systemsmanager\/parameters\/get$/,
    operation: read,
    credential: (_, target) => at(target, 'name'),
    about: () => ({ type: 'unknown' }),
  },
  {
    provider: 'conjur',
    shown: '/secrets/…/variable/…',
    methods: GET,
    path: /^(?:\/api)?\/secrets\/([^/]+)\/variable\/(.+)$/,
    operation: read,
    header: 'authorization',
    credential: ([, account, name]) => `conjur:${account}/${name}`,
  },
  {
    provider: 'oci',
    shown: '/20190301/secretbundles/…',
    methods: GET,
    path: /^\/20190301\/secretbundles\/([^/]+)$/,
    operation: read,
    credential: ([, id]) => id,
  },
  {
    provider: 'ibm',
    shown: '/api/v2/secrets/…',
    methods: GET,
    path: /^\/api\/v2\/secrets\/([^/]+)$/,
    operation: read,
    host: /\.secrets-manager\.appdomain\.cloud(:\d+)?$/,
    credential: ([, id]) => `ibm:${id}`,
  },
  // What is asked for is in bodies that are not read.
  {
    provider: 'akeyless',
    shown: '/get-secret-value',
    methods: POST,
    path: /^\/(?:v2\/)?get-(?:secret-value|dynamic-secret-value|rotated-secret-value)$/,
    operation: read,
    host: /(^|\.)akeyless\.io(:\d+)?$/,
    credential: () => 'akeyless:unknown',
  },
  {
    provider: 'gcp',
    shown: '/computeMetadata/v1/instance/service-accounts/…/token',
    methods: GET,
    path: /^\/computeMetadata\/v1\/instance\/service-accounts\/([^/]+)\/(?:token|identity)$/,
    operation: Operation.AssumeIdentity,
    option: 'identity',
    credential: ([, account]) => account,
  },
  {
    provider: 'azure',
    shown: '/metadata/identity/oauth2/token',
    methods: GET,
    path: /^\/metadata\/identity\/oauth2\/token$/,
    operation: Operation.AssumeIdentity,
    option: 'identity',
    credential: (_, target) => at(target, 'client_id', 'msi_res_id', 'resource'),
  },
]

export function providerAccess(
  request: WireRequest,
  target: Target,
  settings: InstrumentSettings,
): { readonly access: Access; readonly shown: string } | undefined {
  for (const pattern of PATTERNS) {
    const { provider, methods, path, host, header, option, operation } = pattern
    if (!methods.includes(request.method)) continue
    if (option !== undefined && !settings[option]) continue
    const parts = path.exec(target.path)
    if (parts === null) continue
    const isKnownHost = settings.hosts.get(provider)?.has(target.host) === true
    if (host !== undefined && !isKnownHost && !host.test(target.host)) continue
    if (header !== undefined && request.header(header) === undefined) continue
    const credential = pattern.credential(parts, target) ?? 'unknown'
    const access = {
      provider,
      api: operation === Operation.UseKey ? actionOf(target.path) : request.method,
      operation,
      credential: withoutTokens(credential),
      serverRegion: provider === 'gcp' ? parts[2] : undefined,
      attributes: {
        ...pattern.about?.(parts, target),
        server_address: NAMED_BY_HOST.has(provider) ? target.host : undefined,
      },
    }
    return { access, shown: pattern.shown }
  }
  return undefined
}

/** What is done with a key: the last word of the path. */
function actionOf(path: string): string {
  return /\w+$/.exec(path)?.[0] ?? 'use'
}

/** Which of several of them it is, no other field says. */
const NAMED_BY_HOST: ReadonlySet<string> = new Set([
  'kubernetes',
  'infisical',
  'doppler',
  '1password',
  'conjur',
])

function isWatch(target: Target): boolean {
  const value = at(target, 'watch')
  return target.path.startsWith('/api/v1/watch/') || value === 'true' || value === '1'
}
