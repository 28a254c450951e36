import { JSON } from '../host/globals.js'
import { databaseFrom } from './database-source.js'
import { databaseUrlWanted } from './database-url.js'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { AuditError } from '../errors.js'
import { nearest } from '../event/nearest.js'
import type { OptionSpec } from './option-spec.js'
import { type AuditOptions, type AuditSettings, type OptionName, OPTIONS } from './options.js'
import { GATEWAY_OPTIONS, type GatewayOptionsGiven, type GatewaySettings } from './gateway-options.js'
import { READ_OPTIONS, type ReadOptions, type ReadSettings } from './read-options.js'
import {
  OBJECT_STORAGE_OPTIONS,
  type ObjectStorageOptionsGiven,
  type ObjectStorageSettings,
} from './object-storage-options.js'
import { RETENTION_OPTIONS, type RetentionOptionsGiven, type RetentionSettings } from './retention-options.js'
import { VERIFY_OPTIONS, type VerifyOptionsGiven, type VerifySettings } from './verify-options.js'
import { parseSwitch } from '../service/mode.js'
import type { AuditSink } from '../contract/sink.js'
import type { Environment } from '../host/environment.js'
import { checkMethod } from '../host/check.js'
import { givenOptions } from '../host/own.js'

const VARIABLE_PREFIX = 'NOETL_SECRET_AUDIT_'

/**
 * Resolves options: what is given in code, else the environment, else the default.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` for an unknown option or `NOETL_SECRET_AUDIT_*` variable (with the nearest
 *   known one), and for a value that cannot be understood or is out of bounds
 */
export function resolveOptions(given: AuditOptions, env: Environment): AuditSettings {
  checkOptions(given)
  checkVariables(env)
  const ours = given.sink === undefined ? env : withoutForeignDatabase(env)
  const settings = resolved(OPTIONS, given, ours) as Partial<AuditSettings>
  return Object.freeze({ ...settings, databaseUrl: writerFrom(settings) }) as unknown as AuditSettings
}

/** The same for the options of reading, and of where the trail is. @throws AuditError `AUDIT_INVALID_OPTION` */
export function resolveReadOptions(given: ReadOptions, env: Environment): ReadSettings {
  const { databaseUrl, databaseUrlFile, passwordFile, schema, trail } = OPTIONS
  const ofWriter = { databaseUrl, databaseUrlFile, passwordFile, schema, trail }
  const table: Readonly<Record<string, OptionSpec>> = { ...ofWriter, ...READ_OPTIONS }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    const spec = Object.hasOwn(table, name) ? table[name] : undefined
    if (spec === undefined) throw unknown('option', name, nearest(name, Object.keys(table)))
    if (!mayBeFunction(spec, value)) checkValue(name, spec, value)
  }
  checkVariables(env)
  const settings = resolved(table, given, env) as Partial<ReadSettings>
  const readerUrl = databaseFrom({
    url: settings.readerUrl,
    urlFile: settings.readerUrlFile,
    passwordFile: undefined,
  })
  return Object.freeze({
    ...settings,
    readerUrl,
    databaseUrl: writerFrom(settings),
  }) as unknown as ReadSettings
}

/** The same for the options of the gateway alone. @throws AuditError `AUDIT_INVALID_OPTION` */
export function resolveGatewayOptions(given: GatewayOptionsGiven, env: Environment): GatewaySettings {
  return resolvedAlone(GATEWAY_OPTIONS, given, env) as GatewaySettings
}

/** The same for those of archives and retirement. @throws AuditError `AUDIT_INVALID_OPTION` */
export function resolveRetentionOptions(given: RetentionOptionsGiven, env: Environment): RetentionSettings {
  return resolvedAlone(RETENTION_OPTIONS, given, env)
}

/** The same for those of object storage. @throws AuditError `AUDIT_INVALID_OPTION` */
export function resolveObjectStorageOptions(
  given: ObjectStorageOptionsGiven,
  env: Environment,
): ObjectStorageSettings {
  return resolvedAlone(OBJECT_STORAGE_OPTIONS, given, env)
}

/** The same for those of repeated verification. @throws AuditError `AUDIT_INVALID_OPTION` */
export function resolveVerifyOptions(given: VerifyOptionsGiven, env: Environment): VerifySettings {
  return resolvedAlone(VERIFY_OPTIONS, given, env) as VerifySettings
}

function resolvedAlone(table: Readonly<Record<string, OptionSpec>>, given: object, env: Environment): object {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    const spec = Object.hasOwn(table, name) ? table[name] : undefined
    if (spec === undefined) throw unknown('option', name, nearest(name, Object.keys(table)))
    checkValue(name, spec, value)
  }
  checkVariables(env)
  return Object.freeze(resolved(table, given, env))
}

interface Writer {
  readonly databaseUrl?: DatabaseUrl | undefined
  readonly databaseUrlFile?: string | undefined
  readonly passwordFile?: string | undefined
}

function writerFrom({ databaseUrl, databaseUrlFile, passwordFile }: Writer): DatabaseUrl | undefined {
  return databaseFrom({ url: databaseUrl, urlFile: databaseUrlFile, passwordFile })
}

function mayBeFunction(spec: OptionSpec, value: unknown): boolean {
  return spec.kind === 'databaseUrl' && typeof value === 'function'
}

function resolved(table: Readonly<Record<string, OptionSpec>>, given: object, env: Environment): object {
  const values = givenOptions(given) as Readonly<Record<string, unknown>>
  const counting = withoutOutranked(table, values, env)
  return Object.fromEntries(
    Object.entries(table).map(([name, spec]) => [
      name,
      values[name] ?? fromEnvironment(spec, counting) ?? spec.default,
    ]),
  )
}

/**
 * An option and the file that may hold it are one value: what is given in code outranks both variables, and a pair of our own
 * variables the general one. Else `DATABASE_URL`, which is often the application's own, would silently outrank
 * `NOETL_SECRET_AUDIT_DATABASE_URL_FILE`.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` when both variables of a pair are set
 */
function withoutOutranked(
  table: Readonly<Record<string, OptionSpec>>,
  given: Readonly<Record<string, unknown>>,
  env: Environment,
): Environment {
  const outranked = new Set<string>()
  for (const [name, { variables }] of Object.entries(table)) {
    const inFile = table[`${name}File`]
    if (inFile === undefined) continue
    let isKnown = given[name] !== undefined || given[`${name}File`] !== undefined
    for (const [rank, variable] of variables.entries()) {
      const pair = [variable, inFile.variables[rank] ?? ''].filter((one) => env[one])
      if (isKnown) for (const one of pair) outranked.add(one)
      else if (pair.length > 1) throw bothSet(name, pair)
      isKnown ||= pair.length > 0
    }
  }
  if (outranked.size === 0) return env
  return Object.fromEntries(Object.entries(env).filter(([variable]) => !outranked.has(variable)))
}

function bothSet(field: string, pair: readonly string[]): AuditError {
  return new AuditError('AUDIT_INVALID_OPTION', `${pair.join(' and ')} are both set: unset one of them`, {
    field,
  })
}

/** With a sink this library does not connect there: `DATABASE_URL` may be the application's own, and of any kind. */
function withoutForeignDatabase(env: Environment): Environment {
  const variables: readonly string[] = OPTIONS.databaseUrl.variables
  const files: readonly string[] = OPTIONS.databaseUrlFile.variables
  const isForeign = (name: string): boolean =>
    files.includes(name) || (variables.includes(name) && databaseUrlWanted(env[name] ?? '') !== undefined)
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isForeign(name)))
}

/** Checks options given in code. @throws AuditError `AUDIT_INVALID_OPTION` */
export function checkOptions(given: AuditOptions): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new AuditError('AUDIT_INVALID_OPTION', 'options must be an object', { field: 'options' })
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (name === 'sink') {
      checkSink(value)
      continue
    }
    if (name === 'logger') {
      checkMethod('logger', value, 'error')
      checkMethod('logger', value, 'warn')
      continue
    }
    const spec = Object.hasOwn(OPTIONS, name) ? OPTIONS[name as OptionName] : undefined
    if (spec === undefined)
      throw unknown('option', name, nearest(name, [...Object.keys(OPTIONS), 'sink', 'logger']))
    const mayBeAsked = name === 'strict' || name === 'deadlineMs' || name === 'instrumentActor'
    if (!(mayBeAsked && typeof value === 'function') && !mayBeFunction(spec, value))
      checkValue(name, spec, value)
  }
}

function checkSink(sink: unknown): void {
  if (typeof (sink as Partial<AuditSink> | null)?.write === 'function') return
  throw new AuditError('AUDIT_INVALID_OPTION', 'sink must be an AuditSink: it has no write method', {
    field: 'sink',
  })
}

function checkVariables(env: Environment): void {
  const specs = [OPTIONS, READ_OPTIONS, GATEWAY_OPTIONS, RETENTION_OPTIONS, VERIFY_OPTIONS].flatMap((table) =>
    Object.values<OptionSpec>(table),
  )
  const known = new Set(specs.flatMap(({ variables }) => variables))
  for (const variable of Object.keys(env)) {
    if (variable.startsWith(VARIABLE_PREFIX) && !known.has(variable)) {
      throw unknown('variable', variable, nearestVariable(variable, known))
    }
  }
}

/** The prefix does not count as similar. */
function nearestVariable(variable: string, known: Iterable<string>): string | undefined {
  const rest = (name: string): string => name.slice(VARIABLE_PREFIX.length)
  const own = [...known].filter((name) => name.startsWith(VARIABLE_PREFIX))
  const found = nearest(rest(variable), own.map(rest))
  return found === undefined ? undefined : VARIABLE_PREFIX + found
}

function fromEnvironment(spec: OptionSpec, env: Environment): unknown {
  for (const variable of spec.variables) {
    const text = Object.hasOwn(env, variable) ? env[variable] : undefined
    if (text === undefined || (text === '' && spec.kind !== 'switch')) continue
    if (spec.kind === 'switch') return parseSwitch(variable, text)
    const value = spec.kind === 'integer' && /^-?\d+$/.test(text.trim()) ? Number(text) : text
    checkValue(variable, spec, value)
    return value
  }
  return undefined
}

function checkValue(name: string, spec: OptionSpec, value: unknown): void {
  const wanted = accepts(spec, value)
  if (wanted === undefined) return
  const got =
    'secret' in spec ? `a ${typeof value}` : typeof value === 'string' ? JSON.stringify(value) : String(value)
  // In code and on the command line it has different names; a variable has one.
  const flag =
    spec.kind === 'databaseUrl' && !spec.variables.includes(name)
      ? `. On the command line it is --${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
      : ''
  throw new AuditError('AUDIT_INVALID_OPTION', `${name} must be ${wanted}; got ${got}${flag}`, {
    field: name,
  })
}

/** @returns what is wanted, when `value` is not that */
function accepts(spec: OptionSpec, value: unknown): string | undefined {
  switch (spec.kind) {
    case 'text':
      return typeof value === 'string' && value !== '' ? undefined : 'a string that is not empty'
    case 'databaseUrl':
      return databaseUrlWanted(typeof value === 'string' ? value : '')
    case 'switch':
      return typeof value === 'boolean' ? undefined : 'true or false'
    case 'choice':
      return spec.choices.includes(value as string) ? undefined : `one of ${spec.choices.join(', ')}`
    case 'integer': {
      const { min, max, unit } = spec
      const fits = Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      return fits ? undefined : `an integer from ${min} to ${max}${unit && ` (${unit})`}`
    }
  }
}

function unknown(what: string, name: string, hint: string | undefined): AuditError {
  const suggestion = hint === undefined ? 'See docs/options.md' : `Did you mean ${hint}?`
  return new AuditError('AUDIT_INVALID_OPTION', `there is no ${what} ${name}. ${suggestion}`, { field: name })
}
