// What Postgres was sent: by a client of the application, and over the sessions of this library.
import { createAudit, Operation, Outcome } from 'otel-audit'
import { Client } from 'pg'

const audit = createAudit()
await audit.start()
const access = { operation: Operation.GetCredential, outcome: Outcome.Ok }
await audit.service.recordStrict({ ...access, credential: 'strict' })

const client = new Client({ connectionString: process.env.DATABASE_URL })
await client.connect()
const { rows: applications } = await client.query('select current_query() as text')
const { rows: ours } = await client.query(
  `select query as text from pg_stat_activity where application_name like 'otel-audit%' and pid <> pg_backend_pid()`,
)
await client.end()
await audit.close()
const texts = (rows) => rows.map(({ text }) => text)
console.log(JSON.stringify({ applications: texts(applications), ours: texts(ours) }))
// Agents of vendors keep the process alive.
process.exit()
