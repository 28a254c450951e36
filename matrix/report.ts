import type { Result } from './run.js'

/** One line; what was wrong is below it. */
export function line({ combination, suite, versions, checks, failure }: Result): string {
  const { node, others } = versions
  const ran = [`node ${node}`, ...others.map((pair) => pair.join(' '))].join(', ')
  const said = `${failure === undefined ? 'ok  ' : 'FAIL'}  ${combination.padEnd(14)} ${suite.padEnd(20)} ${checks} checks  ${ran}`
  return failure === undefined ? said : `${said}\n      ${failure.replaceAll('\n', '\n      ')}`
}
