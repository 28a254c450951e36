import { HttpError } from './denial.js'
import type { Call } from './http.js'

const MAX_ID = 2n ** 63n - 1n

/** Reads a query parameter that may be given once. */
export function parameter(call: Call, name: string): string | undefined {
  const values = call.query.getAll(name)
  if (values.length > 1) throw new HttpError(400, `${name} is given more than once.`)
  return values[0]
}

export function flag(call: Call, name: string): boolean {
  const value = parameter(call, name)
  if (value === undefined || value === 'false') return false
  if (value === 'true') return true
  throw new HttpError(400, `${name} must be true or false.`)
}

/** A non-negative 64-bit id as decimal text: as a JSON or JavaScript number it would lose digits above 2^53. */
export function id64(text: unknown, name: string): bigint {
  if (typeof text !== 'string' || !/^\d{1,19}$/.test(text))
    throw new HttpError(400, `${name} must be decimal.`)
  const id = BigInt(text)
  if (id > MAX_ID) throw new HttpError(400, `${name} is longer than 63 bits.`)
  return id
}

export interface ExecutionIds {
  readonly executionId: bigint | undefined
  readonly parentExecutionId: bigint | undefined
}

/** `execution_id` and `parent_execution_id` of the query, or `x-execution-id` and `x-parent-execution-id`. */
export function executionIds(call: Call): ExecutionIds {
  return {
    executionId: idOf(call, 'execution_id'),
    parentExecutionId: idOf(call, 'parent_execution_id'),
  }
}

function idOf(call: Call, name: string): bigint | undefined {
  const header = call.headers[`x-${name.replaceAll('_', '-')}`]
  const fromHeader = header === undefined ? undefined : id64(header, `x-${name}`)
  const query = parameter(call, name)
  const fromQuery = query === undefined ? undefined : id64(query, name)
  if (fromHeader !== undefined && fromQuery !== undefined && fromHeader !== fromQuery) {
    throw new HttpError(400, `${name} differs between header and query.`)
  }
  return fromQuery ?? fromHeader
}
