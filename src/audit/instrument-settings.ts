import { isAbsolute, parse } from 'node:path'
import { AuditError } from '../errors.js'
import { words } from '../host/globs.js'
import type { Environment } from '../host/environment.js'
import { SecretPaths, USUAL_MOUNTS } from '../instrument/files/secret-paths.js'
import type { InstrumentSettings } from '../instrument/settings.js'
import type { AuditSettings } from '../options/options.js'

/** The providers whose hosts can be named. */
const PROVIDERS: ReadonlySet<string> = new Set([
  'vault',
  'azure',
  'kubernetes',
  'infisical',
  'onepassword',
  'doppler',
])

/** Addresses of a Vault or OpenBao, and of its agent. */
const VAULT_VARIABLES = ['VAULT_ADDR', 'BAO_ADDR', 'VAULT_AGENT_ADDR', 'VAULT_PROXY_ADDR'] as const

/** @throws AuditError `AUDIT_INVALID_OPTION` */
export function instrumentSettings(
  {
    instrument,
    instrumentDisable,
    instrumentHosts,
    instrumentActor,
    instrumentSsm,
    instrumentWrites,
    instrumentIdentity,
    instrumentFiles,
    instrumentEnv,
  }: AuditSettings,
  env: Environment,
): InstrumentSettings {
  const disable = new Set(words(instrumentDisable))
  if (instrument === 'required' && disable.has('wire')) {
    const message =
      'instrumentDisable must not have wire when instrument is required: clients that no hook knows are seen there'
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'instrumentDisable' })
  }
  return {
    instrument,
    disable,
    hosts: hostsOf(instrumentHosts, env),
    actor: typeof instrumentActor === 'function' ? instrumentActor : undefined,
    claimedActor: typeof instrumentActor === 'string' ? instrumentActor : undefined,
    ssm: instrumentSsm,
    writes: instrumentWrites,
    identity: instrumentIdentity,
    files: filesOf(instrumentFiles),
    env: namesOf(instrumentEnv),
  }
}

function hostsOf(list: string | undefined, env: Environment): ReadonlyMap<string, ReadonlySet<string>> {
  const hosts = new Map<string, Set<string>>()
  const add = (provider: string, host: string): void => {
    const known = hosts.get(provider) ?? new Set()
    hosts.set(provider, known.add(host.toLowerCase()))
  }
  for (const word of words(list)) {
    const [provider = '', host = '', ...rest] = word.split('=')
    if (!PROVIDERS.has(provider) || host === '' || rest.length > 0) {
      const message = `instrumentHosts must be provider=host[:port], of ${[...PROVIDERS].join(', ')}; got ${word}`
      throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'instrumentHosts' })
    }
    add(provider, host)
  }
  for (const variable of VAULT_VARIABLES) {
    const host = hostOf(env[variable])
    if (host !== undefined) add('vault', host)
  }
  return hosts
}

function filesOf(list: string | undefined): SecretPaths | undefined {
  const paths = words(list).flatMap((word) => {
    if (word === 'on') return USUAL_MOUNTS
    if (isAbsolute(word) && parse(word).root !== word) return word
    const message = `instrumentFiles must be \`on\`, or absolute paths below the root, separated by commas; got ${word}`
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'instrumentFiles' })
  })
  return paths.length === 0 ? undefined : new SecretPaths(paths)
}

/** What is not a name is not quoted: it may be the value of one. */
function namesOf(list: string | undefined): readonly string[] {
  const names = [...new Set(words(list))]
  const wrong = names.findIndex((name) => !/^[A-Za-z_]\w{0,127}$/.test(name))
  if (wrong < 0) return names
  const message = `instrumentEnv must be names of variables, separated by commas; number ${wrong + 1} is not a name`
  throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'instrumentEnv' })
}

function hostOf(address: string | undefined): string | undefined {
  try {
    return address === undefined ? undefined : new URL(address).host
  } catch {
    return undefined
  }
}
