// What the applications of these tests do with the helper: the same four accesses, whatever the tracing.

/** One row each: async, strict, a guarded release, a guarded denial. */
async function recordAll(audit, credential) {
  const access = { credential, operation: 'get_credential' }
  audit.recordAsync({ ...access, outcome: 'ok', notes: 'async' })
  await audit.recordStrict({ ...access, outcome: 'ok', notes: 'strict' })
  await audit.guard({ ...access, notes: 'guarded' }, () => 'canary-5e1f0c', { mode: 'strict' })
  const denial = Object.assign(new Error('no such key'), { auditOutcome: 'credential_not_found' })
  const refuse = () => Promise.reject(denial)
  await audit.guard({ ...access, notes: 'denied' }, refuse).catch((error) => {
    if (error !== denial) throw error
  })
}

/** A query of the application's own. */
async function query({ Client }) {
  const client = new Client({ connectionString: process.env.DATABASE_URL })
  await client.connect()
  await client.query('select 1 as own')
  await client.end()
}

/** What the SDK's `suppressTracing` does. It is in another package in each line of the SDK. */
function suppressed({ context, createContextKey }) {
  return context.active().setValue(createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING'), true)
}

/** Answers `/access` and `/suppressed` by recording; `/held` when `released` resolves, which may be after a signal. */
function handlerFor({ audit, api, pg, released }) {
  const answer = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://application')
    const credential = searchParams.get('credential') ?? 'none'
    const ways = {
      '/access': () => recordAll(audit, credential),
      '/suppressed': () => api.context.with(suppressed(api), recordAll, undefined, audit, credential),
      '/record': () => audit.recordAsync({ credential, operation: 'get_credential', outcome: 'ok' }),
      '/throw': () => {
        setTimeout(
          () => {
            throw new Error('a fault of the application')
          },
          Number(searchParams.get('after')),
        )
      },
      '/query': () => query(pg),
      '/held': async () => {
        console.log('holding one')
        await released
        audit.recordAsync({ credential, operation: 'get_credential', outcome: 'ok' })
      },
    }
    try {
      await ways[pathname]?.()
      response.writeHead(ways[pathname] ? 200 : 404, { connection: 'close' }).end(pathname)
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  }
  return (request, response) => void answer(request, response)
}

/** Listens. With `OWN_LISTENER` the application ends in its own way: it answers what is held, and closes. */
function run(server) {
  let release
  const released = new Promise((resolve) => {
    release = resolve
  })
  server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`))
  if (process.env.OWN_LISTENER) {
    process.on('SIGTERM', () => {
      server.close()
      setTimeout(() => release(), 100)
    })
  }
  return released
}

module.exports = { handlerFor, recordAll, run }
