import type { AccessAttributes } from '../open-access.js'

/**
 * What a call, an answer or an error names under `path`, as text. Of values of others nothing but this is read, and a
 * shape that is not the expected one, or a getter that throws, says nothing.
 */
export function textAt(from: unknown, ...path: readonly string[]): string | undefined {
  const found = at(from, path)
  if (typeof found === 'string') return found === '' ? undefined : found
  return typeof found === 'number' || typeof found === 'bigint' ? String(found) : undefined
}

/** The list under `path`; empty when there is not one. */
export function listAt(from: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = at(from, path)
  return Array.isArray(found) ? found : []
}

/** The texts of the list under `path`. */
export function textsAt(from: unknown, ...path: readonly string[]): readonly string[] {
  return listAt(from, ...path).flatMap((entry) => textAt([entry], '0') ?? [])
}

/** Names of the keys under `path`, never what they hold. */
export function keysAt(from: unknown, ...path: readonly string[]): readonly string[] {
  const found = at(from, path)
  return typeof found === 'object' && found !== null ? Object.keys(found) : []
}

/** Whatever is under `path`. */
export function at(from: unknown, path: readonly string[]): unknown {
  let found = from
  try {
    for (const key of path) {
      if (typeof found !== 'object' && typeof found !== 'function') return undefined
      if (found === null) return undefined
      found = (found as Record<string, unknown>)[key]
    }
  } catch {
    return undefined
  }
  return found
}

/** Without what is not known: it must not replace what was asked for. */
export function known(attributes: AccessAttributes): AccessAttributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
}

/** For the attribute `error.type`: never a message, which may quote anything. */
export function errorName(error: unknown): string | undefined {
  const name = textAt(error, 'name')
  return name !== undefined && /^[A-Za-z_$][\w$.:-]{0,63}$/.test(name) ? name : undefined
}
