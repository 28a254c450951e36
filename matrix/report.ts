import type { Result } from './run.js'

/**
 * One line; what was wrong is below it.
 *
 * @param detailed whether each of its checks is below it, too
 */
export function line({ combination, suite, versions, checks, failure }: Result, detailed = false): string {
  const { node, packages } = versions
  const ran = [`node ${node}`, ...packages].join(', ')
  const count = `${checks.length} ${checks.length === 1 ? 'check ' : 'checks'}`
  const text = `${failure === undefined ? 'ok  ' : 'FAIL'}  ${combination.padEnd(12)} ${suite.padEnd(26)} ${count}  ${ran}`
  const below = [...(detailed ? checks : []), ...(failure === undefined ? [] : [failure])]
  return [text, ...below].join('\n').replaceAll('\n', '\n      ')
}
