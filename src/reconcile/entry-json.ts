import { JSON } from '../host/globals.js'

/** A JSON object of somebody else: anything may be in it. */
export type Json = Readonly<Record<string, unknown>>

/** @returns an object without anything for what is not one */
export function parsedObject(json: Uint8Array | string): Json {
  try {
    return objectIn(JSON.parse(typeof json === 'string' ? json : Buffer.from(json).toString()))
  } catch {
    return {}
  }
}

export function objectIn(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {}
}

/** @returns undefined for what is not text, or empty */
export function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
