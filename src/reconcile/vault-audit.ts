import { parseTime } from '../query/time.js'
import { type Json, objectIn, parsedObject, textIn } from './entry-json.js'
import type { LogEntry, ProviderAccess } from './provider-access.js'

/** A request, with what its path is below the mount. */
interface Call {
  readonly operation: string
  readonly mount: string
  readonly type: string
  readonly path: string
  /** What was answered, by its keys: the values are hashes. */
  readonly data: Json
}

/**
 * Reads one line of an audit device of Vault or OpenBao: `type` is `request` before the work, `response` after it and
 * before the answer. Accesses are taken from the second, which the server must have written before it may answer.
 *
 * What a path means is decided by the type of its mount, which the service cannot know: it goes by the path alone.
 *
 * @returns undefined for what is not such a line
 */
export function readVaultAudit(bytes: Uint8Array): LogEntry | undefined {
  const line = parsedObject(bytes)
  const time = nanosecondTime(line['time'])
  const request = objectIn(line['request'])
  const path = textIn(request['path'])
  const type = line['type']
  if (time === undefined || path === undefined || (type !== 'request' && type !== 'response'))
    return undefined
  const requestId = textIn(request['id'])
  if (type === 'request' || requestId === undefined) return { time, accesses: [] }
  const data = objectIn(objectIn(line['response'])['data'])
  const call = callOf(request, path, data)
  const secret = credentialOf(call)
  const credential = secret ?? publicOf(call)
  if (credential === undefined) return { time, accesses: [] }
  const access: ProviderAccess = {
    log: 'vault',
    time,
    requestId,
    credential,
    namespace: (textIn(objectIn(request['namespace'])['path']) ?? '').replace(/\/+$/, ''),
    api: `${textIn(request['operation']) ?? ''} ${path}`,
    identity: textIn(objectIn(line['auth'])['display_name']) ?? 'unknown',
    result: secret === undefined ? 'public' : isReleased(line, data) ? 'released' : 'refused',
  }
  return { time, accesses: [access] }
}

function callOf(request: Json, whole: string, data: Json): Call {
  const guess = GUESS.exec(whole)
  const mount = textIn(request['mount_point']) ?? guess?.[0] ?? ''
  return {
    operation: textIn(request['operation']) ?? '',
    mount,
    // Servers before 1.10 say neither: then most engines are mounted under their own names.
    type: textIn(request['mount_type']) ?? (OF_THEIR_NAME.has(guess?.[1] ?? '') ? (guess?.[1] ?? '') : ''),
    path: whole.startsWith(mount) ? whole.slice(mount.length) : whole,
    data,
  }
}

/** A mount, and its last segment. */
const GUESS = /^(?:auth\/)?([^/]+)\//

const OF_THEIR_NAME: ReadonlySet<string> = new Set([
  'cubbyhole',
  'identity',
  'pki',
  'ssh',
  'sys',
  'token',
  'totp',
  'transform',
  'transit',
])

const READS: ReadonlySet<string> = new Set(['read'])
const CALLED: ReadonlySet<string> = new Set(['read', 'create', 'update'])

/** What the request asked for, if that is a secret, its use, or the making of one. */
function credentialOf(call: Call): string | undefined {
  const { mount, type, path, operation } = call
  const isRead = READS.has(operation)
  const isCalled = CALLED.has(operation)
  const whole = `${mount}${path}`
  const is = (pattern: RegExp, isAsked: boolean): string | undefined =>
    isAsked && pattern.test(path) ? whole : undefined
  switch (type) {
    case 'kv':
    case 'generic':
      return isRead ? secretOf(call) : undefined
    case 'cubbyhole':
      return isRead ? whole : undefined
    case 'system':
    case 'sys':
      return is(/^wrapping\/unwrap$/, isCalled)
    case 'transit':
      return (
        is(/^(?:export|backup)\//, isRead) ??
        is(/^(?:decrypt|datakey\/plaintext|sign|hmac|rewrap)\//, isCalled && !isRead)
      )
    case 'transform':
      return is(/^decode\//, isCalled && !isRead)
    case 'totp':
      return is(/^code\//, isRead)
    case 'pki':
      return is(/^(?:issuer\/[^/]+\/)?(?:issue|sign)\//, isCalled && !isRead)
    case 'ssh':
      return is(/^(?:sign|creds|issue)\//, isCalled && !isRead)
    case 'identity':
      return is(/^oidc\/token\//, isRead)
    case 'token':
      return is(/^create(?:-orphan|\/|$)/, isCalled)
    default:
      return mount.startsWith('auth/')
        ? is(/^login(?:\/|$)/, isCalled)
        : (is(/^(?:static-)?creds\//, isCalled) ??
            is(/^sts\//, isCalled) ??
            (type === '' && isRead ? secretOf(call) : undefined))
  }
}

/** What looks like a secret by its path, where its mount says that it is none. */
function publicOf({ mount, type, path, operation }: Call): string | undefined {
  if (type === 'system' || type === 'sys' || type === 'identity' || mount.startsWith('auth/'))
    return undefined
  const isLikeOne = operation === 'read' || (CALLED.has(operation) && LIKE_A_SECRET.test(path))
  return isLikeOne ? `${mount}${path}` : undefined
}

const LIKE_A_SECRET = /(?:^|\/)(?:creds|sts|issue|sign|hmac|rewrap|decrypt|decode|plaintext)\//

/** What version 2 says of a secret has these keys, where a secret of version 1 has those of whoever wrote it. */
const METADATA: ReadonlySet<string> = new Set([
  'current_version',
  'versions',
  'subkeys',
  'max_versions',
  'keys',
])

function secretOf({ mount, path, data }: Call): string | undefined {
  if (path.startsWith('data/')) return `${mount}${path.slice('data/'.length)}`
  if (!/^(?:metadata|subkeys|config)(?:\/|$)/.test(path)) return `${mount}${path}`
  const keys = Object.keys(data)
  return keys.length === 0 || keys.some((name) => METADATA.has(name)) ? undefined : `${mount}${path}`
}

/** Not found: nothing, or a status of its own with the metadata of what was deleted. */
function isReleased(line: Json, data: Json): boolean {
  if (textIn(line['error']) !== undefined) return false
  const response = objectIn(line['response'])
  const status = Number(data['http_status_code'] ?? 200)
  const isWrapped = Object.keys(objectIn(response['wrap_info'])).length > 0
  const hasAnswer = Object.keys(data).length > 0 || Object.keys(objectIn(response['auth'])).length > 0
  return status < 400 && (hasAnswer || isWrapped)
}

/** Go writes nine digits of the second's fraction, or as many as are not 0. */
function nanosecondTime(value: unknown): number | undefined {
  return parseTime((textIn(value) ?? '').replace(/(\.\d{6})\d+/, '$1'), 0)
}
