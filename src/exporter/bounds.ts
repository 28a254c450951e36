import { JSON } from '../host/globals.js'
import { AuditError } from '../errors.js'

/** An integer that an option accepts. */
export interface Bound {
  readonly min: number
  readonly max: number
  readonly unit: string
  readonly default: number
}

/** What bounds the exporter. Constructor, environment and `docs/options.md` all come from here. */
export const BOUNDS = Object.freeze({
  lingerMs: { min: 0, max: 60_000, unit: 'ms', default: 50 },
  batchRows: { min: 1, max: 10_000, unit: 'rows', default: 512 },
  batchBytes: { min: 1024, max: 64 * 1024 * 1024, unit: 'bytes', default: 1024 * 1024 },
  queueRows: { min: 1, max: 10_000_000, unit: 'events', default: 16_384 },
  queueBytes: { min: 64 * 1024, max: 16 * 1024 * 1024 * 1024, unit: 'bytes', default: 16 * 1024 * 1024 },
}) satisfies Readonly<Record<string, Bound>>

type BoundName = keyof typeof BOUNDS

/** The bounds of an exporter, all of them. */
export type ExporterBounds = { readonly [Name in BoundName]: number }

/** Bounds as they are given: one that is undefined has its default. */
export type GivenBounds = { readonly [Name in BoundName]?: number | undefined }

/** Defaults of the exporter's bounds. */
export const EXPORTER_DEFAULTS: ExporterBounds = Object.freeze({
  lingerMs: BOUNDS.lingerMs.default,
  batchRows: BOUNDS.batchRows.default,
  batchBytes: BOUNDS.batchBytes.default,
  queueRows: BOUNDS.queueRows.default,
  queueBytes: BOUNDS.queueBytes.default,
})

/** @throws AuditError `AUDIT_INVALID_OPTION` that names the field, the value, and what is accepted */
export function boundsOf(given: GivenBounds): ExporterBounds {
  return {
    lingerMs: checked('lingerMs', given),
    batchRows: checked('batchRows', given),
    batchBytes: checked('batchBytes', given),
    queueRows: checked('queueRows', given),
    queueBytes: checked('queueBytes', given),
  }
}

function checked(field: BoundName, given: GivenBounds): number {
  const { min, max, unit, default: otherwise } = BOUNDS[field]
  const value: unknown = given[field] ?? otherwise
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  const got = typeof value === 'string' ? JSON.stringify(value) : String(value)
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    `${field} must be an integer from ${min} to ${max} (${unit}); got ${got}`,
    { field },
  )
}
