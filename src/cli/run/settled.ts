import { AuditError } from '../../errors.js'
import type { Place } from '../../postgres/place.js'
import type { SettledState } from '../../query/settled-state.js'

/** What a settled set lacks, and what it has that no mark says anything about: said, since its rows alone do not. */
export function saySettled({
  unsettled,
  since,
  foreign,
  replicated,
}: Pick<SettledState, 'unsettled' | 'replicated'> & {
  readonly since?: Date | null
  readonly foreign: number
}): void {
  if (unsettled > 0) {
    const when = since == null ? '' : `, recorded since ${since.toISOString()}`
    process.stderr.write(
      `otel-audit: ${rows(unsettled)} committed but not settled yet${when}: an older transaction of the server is still open. A settled result does not have them\n`,
    )
  }
  if (foreign > 0) {
    process.stderr.write(
      `otel-audit: ${rows(foreign)} foreign: another transaction put them here than the one that they name, as after a restore. They are included\n`,
    )
  }
  if (replicated) {
    process.stderr.write(
      'otel-audit: rows come here by logical replication: tail does not show them, and an export of the same mark may have more of them later. For these, tail and export where they are written\n',
    )
  }
}

function rows(count: number): string {
  return count === 1 ? '1 row is' : `${count} rows are`
}

type Mark = Place & Pick<SettledState, 'mark'>

/** A mark that says which server and table it is of: what `tail` ends with, and goes on from. */
export function markText({ mark, system, table }: Mark): string {
  return `${system ?? 0}.${table}.${mark}`
}

/** @throws AuditError `AUDIT_INVALID_QUERY` for what is not a mark, or one of another server or table */
export function markOf(text: string, { mark, system, table }: Mark): bigint {
  const [, server, where, number] = /^(\d{1,20})\.(\d{1,10}\.\d{1,10})\.(\d{1,18})$/.exec(text) ?? []
  if (server === undefined || where === undefined || number === undefined) {
    throw invalid(
      'is not a mark: give the one that tail has printed, such as 7412345678901234567.16384.16398.1175',
    )
  }
  if (system !== null && server !== '0' && server !== system) {
    throw invalid(`is a mark of server ${server}, and this is server ${system}: ${GO_ON}`)
  }
  if (where !== table) {
    throw invalid(`is a mark of table ${where} of the server, and this is table ${table}: ${GO_ON}`)
  }
  if (BigInt(number) > mark)
    throw invalid('is ahead of this server: it was restored to an earlier time, or is another one')
  return BigInt(number)
}

const GO_ON =
  'marks mean nothing after a restore or on another server. Begin without --since, and give --lines for what came before, or export it'

function invalid(problem: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `--since ${problem}`, { field: 'since' })
}
