import type { Result } from './run.js'

/** One line; what was wrong is below it. */
export function line({ combination, suite, versions, checks, failure }: Result): string {
  const { node, packages } = versions
  const ran = [`node ${node}`, ...packages].join(', ')
  const text = `${failure === undefined ? 'ok  ' : 'FAIL'}  ${combination.padEnd(12)} ${suite.padEnd(26)} ${checks} ${checks === 1 ? 'check ' : 'checks'}  ${ran}`
  return failure === undefined ? text : `${text}\n      ${failure.replaceAll('\n', '\n      ')}`
}
