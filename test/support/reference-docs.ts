/**
 * The pages of `docs/` that are made from the tables in the code. A test holds the files against these;
 * `npx vitest run test/options/options.test.ts test/errors.test.ts -u` writes them anew.
 */

interface OptionRow {
  readonly kind: string
  readonly variables: readonly string[]
  readonly default: string | number | boolean | undefined
  readonly doc: string
  readonly choices?: readonly string[]
  readonly min?: number
  readonly max?: number
  readonly unit?: string
}

interface ErrorRow {
  readonly row: string
  readonly meaning: string
  readonly remedy: string
}

const OPTIONS_INTRODUCTION = `# Options

Every option can be given in code, to \`createAudit\`, or by environment variable; what is given in code goes first, then
the variable, then the default. Of two variables the first that is set counts. An empty variable counts as not set, but
for switches, where it means off.

An option or a \`NOETL_SECRET_AUDIT_*\` variable that does not exist, and a value that cannot be understood, is an error at
start (\`AUDIT_INVALID_OPTION\`), and never a default in silence. Switches accept \`1\`, \`true\`, \`yes\`, \`on\` and \`0\`,
\`false\`, \`no\`, \`off\`, in any case.
`

const OPTIONS_END = `
In code there is also \`sink\`: where rows go, in place of \`databaseUrl\`. \`RecordingAuditSink\` is for tests, \`NoopAuditSink\`
for where audit is switched off. \`logger\`: where losses, outages and findings are said; see
[operations.md](operations.md#what-is-said-and-where).

## Of one record

\`record\`, \`recordStrict\` and \`guard\` take options of their own, which go before all of the above:

| option | accepts | meaning |
|---|---|---|
| \`mode\` | \`'strict'\`, \`'async'\` | whether this record is strict |
| \`deadlineMs\` | more than 0, at most 600,000 | how long a strict caller waits |
| \`signal\` | an \`AbortSignal\` | ends the caller's wait, never the write |
| \`outcomeOf\` | a function of the error | \`guard\` only: the outcome of a failed access |
| \`opaque\` | \`'redact'\`, \`'refuse'\` | \`guard\` only: what happens to notes and attributes when the value cannot be looked into; see [guard.md](guard.md) |

## Elsewhere

The SDK, its exporters and samplers are configured by the \`OTEL_*\` variables of OpenTelemetry.
\`OTEL_RESOURCE_ATTRIBUTES\` is read for \`service.name\` and \`service.instance.id\`; \`OTEL_CONFIG_FILE\` is refused
(\`AUDIT_SDK_CONFIG\`), since an SDK that it configures ignores span processors given in code.
`

const READING_INTRODUCTION = `
## Of reading

For \`otel-audit query\`, \`tail\`, \`export\`, \`summary\` and \`serve\`; flags of the commands go before the variables.
\`otel-audit verify\` takes \`readerUrl\`. \`databaseUrl\` and \`schema\` are those above. [query.md](query.md) and [api.md](api.md) say what they mean.
`

const GATEWAY_INTRODUCTION = `
## Of the gateway

For \`otel-audit gateway\`; its flags go before the variables. Where and how it stores is said by the options above
(\`databaseUrl\`, \`schema\`, \`trail\`, \`enrolmentKey\`, \`batchRows\` …); it has no spool. [gateway.md](gateway.md) says what they mean.
`

const RETENTION_INTRODUCTION = `
## Of retention

For \`otel-audit archive\` and \`retire\`; their flags go before the variables. Where the trail is is said by the options above.
[retention.md](retention.md) says what they mean.
`

const VERIFY_INTRODUCTION = `
## Of verification

For \`otel-audit verify --state\` and \`--watch\`, and \`serve --verify-every\`; their flags go before the variables. Where the trail is is
said by the options of reading. [integrity.md](integrity.md#verification-that-goes-on) says what they mean.
`

const OBJECT_STORAGE_INTRODUCTION = `
## Of object storage

For archives at \`s3://…\`: of \`otel-audit archive\`, \`retire\` and \`hold\`, and of whatever reads archives. They are variables only.
[retention.md](retention.md#object-storage) says what a bucket needs.
`

type Options = Readonly<Record<string, OptionRow>>

export function optionsPage(
  options: Options,
  readOptions: Options,
  gatewayOptions: Options,
  retentionOptions: Options,
  verifyOptions: Options,
  objectStorageOptions: Options,
): string {
  const further = `${READING_INTRODUCTION}\n${optionsTable(readOptions)}${GATEWAY_INTRODUCTION}\n${optionsTable(gatewayOptions)}${RETENTION_INTRODUCTION}\n${optionsTable(retentionOptions)}${OBJECT_STORAGE_INTRODUCTION}\n${optionsTable(objectStorageOptions)}${VERIFY_INTRODUCTION}\n${optionsTable(verifyOptions)}`
  return `${OPTIONS_INTRODUCTION}\n${optionsTable(options)}${OPTIONS_END.replace('\n## Elsewhere', `${further}\n## Elsewhere`)}`
}

function optionsTable(options: Options): string {
  const rows = Object.entries(options).map(([name, row]) => [
    code(name),
    row.variables.length === 0 ? '–' : row.variables.map(code).join(', '),
    accepted(row),
    row.default === undefined ? '–' : code(String(row.default)),
    row.doc,
  ])
  return table(['option', 'variable', 'accepts', 'default', 'meaning'], rows)
}

function accepted({ kind, choices, min, max, unit }: OptionRow): string {
  switch (kind) {
    case 'databaseUrl':
      return '`postgres://…` or `postgresql://…`'
    case 'switch':
      return 'yes or no'
    case 'choice':
      return (choices ?? []).map(code).join(', ')
    case 'integer':
      return `${grouped(min)} to ${grouped(max)}${unit ? ` ${unit}` : ''}`
    default:
      return 'text'
  }
}

const grouped = (number = Number.NaN): string => number.toLocaleString('en-US')

const ERRORS_INTRODUCTION = `# Errors

Everything this library raises is an \`AuditError\` with a \`code\` of this closed set. \`error.row\` says what is known about
the row, and so what the caller may do:

* \`not-stored\`: there is no row. The secret must not be released.
* \`unknown\`: the row was sent, and may be stored now or later. The secret must not be released; look the row up by
  \`error.auditId\`. A row of outcome \`ok\` that turns out to be stored is followed by one of outcome \`withheld\`, as long as
  the process lives.

The codes of proofs, notes and blocks say \`unknown\` too: they are about evidence, and what is stored is not proven by it.

\`error.remedy\` says what to do, \`error.field\` names the field or option at fault, \`error.cause\` is what was underneath.
The message names audit id, operation, outcome and credential, and never notes, attributes or what the database quotes of
a row; \`error.reason\` is the message without the code and without those. \`JSON.stringify(error)\` writes all of it, without
the cause.

\`\`\`ts
import { AuditError, Operation, SecretAuditService } from 'otel-audit'

const audit = SecretAuditService.fromEnv()

export async function password(): Promise<string | undefined> {
  try {
    return await audit.guard({ credential: 'orders-db', operation: Operation.GetCredential }, () => 'fetched')
  } catch (error) {
    if (error instanceof AuditError) return undefined // 503: the secret is withheld
    throw error // the access itself failed
  }
}
\`\`\`
`

export function errorsPage(catalogue: Readonly<Record<string, ErrorRow>>): string {
  const rows = Object.entries(catalogue).map(([name, { row, meaning, remedy }]) => [
    code(name),
    code(row),
    meaning,
    remedy,
  ])
  return `${ERRORS_INTRODUCTION}\n${table(['code', 'row', 'meaning', 'remedy'], rows)}`
}

const code = (text: string): string => `\`${text}\``

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return `${line(head)}|${head.map(() => '---').join('|')}|\n${rows.map(line).join('')}`
}
