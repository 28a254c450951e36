export interface MadeByMigrate {
  readonly login: string | undefined
  readonly reads: boolean
  readonly urlFile: string | undefined
}

/** As it was called: by `npx`, or by its name. */
export const program = (): string => (process.env['npm_command'] === 'exec' ? 'npx otel-audit' : 'otel-audit')

/** As one word of a shell. */
export function word(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** What comes after `otel-audit migrate`, as commands to copy. */
export function nextSteps({ login, reads, urlFile }: MadeByMigrate): readonly string[] {
  if (login === undefined) {
    return [
      'Next, a login for each service, which can write and no more:',
      `  ${program()} migrate --login NAME --url-file NAME.url`,
      '',
    ]
  }
  if (urlFile === undefined) {
    return [
      `It has no password, unless it had one: run this again with --url-file FILE, or psql --command '\\password "${login}"'`,
      '',
    ]
  }
  const from = `NOETL_SECRET_AUDIT_DATABASE_URL_FILE=${word(urlFile)}`
  if (reads) {
    return [`Next, read the trail:`, `  ${from} ${program()} query --from -24h`, '']
  }
  return [
    'Next, start the service with it, and make a key that vouches for what it writes:',
    `  ${from} node --import otel-audit/register app.js`,
    `  ${from} ${program()} keys create --out enrolment.pem`,
    '',
  ]
}
