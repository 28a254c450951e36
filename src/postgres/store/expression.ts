import type { CalledFunction, Expression } from './inspection.js'

/** Oids below are those of what comes with Postgres. */
const FIRST_OWN_OID = 16_384n

export function isBuiltIn(oid: string): boolean {
  return BigInt(oid) < FIRST_OWN_OID
}

/** Built-in functions that are not immutable, and do nothing but tell the time or do arithmetic with it. */
const OF_TIME =
  /^(now|clock_timestamp|transaction_timestamp|statement_timestamp|extract|date_part|date_trunc|timezone|to_timestamp|(date|time|timestamp)(tz)?(_\w+)?|interval_\w+)$/

/**
 * Whether evaluating it runs nothing but code of Postgres that has no effects. Not every function that is built in is
 * harmless: `query_to_xml` runs any statement, and `set_config` sets any setting.
 */
export function isPure({ functions, needs }: Expression): boolean {
  return needs.length === 0 && functions.every(isPureFunction)
}

function isPureFunction({ oid, name, volatility }: CalledFunction): boolean {
  return isBuiltIn(oid) && (volatility === 'i' || OF_TIME.test(name))
}

/** Whether it calls this one. */
export function calls({ functions }: Expression, name: string): boolean {
  return functions.some((one) => one.name === name && isBuiltIn(one.oid))
}
