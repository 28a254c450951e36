import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { bytes, list, object, optionalText, text } from './json.js'
import type { Residency } from './residency.js'

export interface Caller {
  readonly id: string
  readonly type: 'user' | 'service'
}

export interface Peer {
  readonly region: string
  readonly url: string
  /** What that region presents to us. */
  readonly token: string
}

export interface KeychainEntry {
  readonly id: string
  readonly provider: string
  /** What we present to the provider. */
  readonly token: string
  readonly path: string
}

/** The configuration of one region. It holds keys, tokens and, for first use, the secrets themselves. */
export interface WalletConfig {
  readonly region: string
  readonly keks: readonly { version: string; key: Buffer; destroyed: boolean }[]
  readonly callers: readonly (Caller & { token: string })[]
  readonly workers: readonly { id: string; publicKey: string | undefined }[]
  readonly credentials: readonly {
    id: string
    home: string
    residency: Residency
    kekVersion: string | undefined
    secret: string | undefined
  }[]
  /** What we present to the peers. */
  readonly internalToken: string
  readonly peers: readonly Peer[]
  readonly keychain: readonly KeychainEntry[]
  /** What `{{ env.name }}` in the path of a keychain entry may name; besides, there is `{{ region }}`. */
  readonly templateEnv: Readonly<Record<string, string>>
  /**
   * Milliseconds that a peer or a provider may take. Longer than the deadline of a strict record (5 s), or a
   * peer whose audit trail is unavailable is cut off before it can answer that.
   */
  readonly upstreamTimeout: number
}

/**
 * Reads JSON from the file that `variable` names, or from standard input when it is `-`. Secrets never come
 * as arguments: the command line of a process is public, and OpenTelemetry publishes it as a resource attribute.
 */
export async function readConfig(variable: string): Promise<unknown> {
  const file = process.env[variable]
  if (!file) throw new TypeError(`${variable} must name a JSON file, or be - for standard input`)
  const json = file === '-' ? await readAll(process.stdin) : await readFile(file, 'utf8')
  try {
    return JSON.parse(json)
  } catch {
    throw new TypeError(`${variable}: ${file === '-' ? 'standard input' : file} is not JSON`)
  }
}

/** The port of `WALLET_PORT`, 0 for any free one; 8080 when unset. */
export function portFromEnv(): number {
  const port = process.env.WALLET_PORT ?? '8080'
  if (/^\d{1,5}$/.test(port) && Number(port) <= 65_535) return Number(port)
  throw new TypeError(`WALLET_PORT must be a port number, not ${JSON.stringify(port)}`)
}

/** Throws `TypeError` that names the member at fault and never its value. */
export function walletConfig(json: unknown): WalletConfig {
  const all = object(json, 'config')
  const each = <T>(name: string, read: (entry: Readonly<Record<string, unknown>>, at: string) => T): T[] =>
    list(all[name], name).map((entry, i) => read(object(entry, `${name}[${i}]`), `${name}[${i}]`))
  return {
    region: text(all.region, 'region'),
    keks: each('keks', (kek, at) => ({
      version: text(kek.version, `${at}.version`),
      key: bytes(kek.key, 32, `${at}.key`),
      destroyed: kek.destroyed === true,
    })),
    callers: each('callers', (caller, at) => ({
      id: text(caller.id, `${at}.id`),
      type: caller.type === 'user' ? 'user' : 'service',
      token: text(caller.token, `${at}.token`),
    })),
    workers: each('workers', (worker, at) => ({
      id: text(worker.id, `${at}.id`),
      publicKey: optionalText(worker.public_key, `${at}.public_key`),
    })),
    credentials: each('credentials', (credential, at) => ({
      id: text(credential.id, `${at}.id`),
      home: text(credential.home, `${at}.home`),
      residency: residency(credential.residency, `${at}.residency`),
      kekVersion: optionalText(credential.kek_version, `${at}.kek_version`),
      secret: optionalText(credential.secret, `${at}.secret`),
    })),
    internalToken: text(all.internal_token, 'internal_token'),
    peers: each('peers', (peer, at) => ({
      region: text(peer.region, `${at}.region`),
      url: url(peer.url, `${at}.url`),
      token: text(peer.token, `${at}.token`),
    })),
    keychain: each('keychain', (entry, at) => ({
      id: text(entry.id, `${at}.id`),
      provider: url(entry.provider, `${at}.provider`),
      token: text(entry.token, `${at}.token`),
      path: path(entry.path, `${at}.path`),
    })),
    templateEnv: templateEnv(all.template_env),
    upstreamTimeout: timeout(all.upstream_timeout_ms),
  }
}

function residency(value: unknown, at: string): Residency {
  return value === undefined || value === 'anywhere' ? 'anywhere' : list(value, at).map((r) => text(r, at))
}

function url(value: unknown, at: string): string {
  const given = text(value, at)
  if (URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)) return given
  throw new TypeError(`${at}: an http or https URL is needed`)
}

/** A second slash would make the rest of the path a host name. */
function path(value: unknown, at: string): string {
  const given = text(value, at)
  if (/^\/[^/\\]/.test(given)) return given
  throw new TypeError(`${at}: a path that begins with one slash is needed`)
}

function templateEnv(value: unknown): Record<string, string> {
  const entries = Object.entries(object(value ?? {}, 'template_env'))
  return Object.fromEntries(entries.map(([name, v]) => [name, text(v, `template_env.${name}`)]))
}

function timeout(value: unknown): number {
  if (value === undefined) return 8000
  if (typeof value === 'number' && value >= 1 && value <= 60_000) return value
  throw new TypeError('upstream_timeout_ms: a number of milliseconds from 1 to 60000 is needed')
}
