// A service with a route for each client: `/<client>?name=<secret>` reads a secret, and says how long it is. Where that fails,
// it says what the application got: the names and codes of the error and its causes.
import http from 'node:http'

export function serve(routes) {
  const server = http.createServer((request, response) => {
    void answer(routes, request.url).then(({ status, text }) => response.writeHead(status).end(text))
  })
  server.listen(0, () => console.log(`listening ${server.address().port}`))
  process.once('SIGTERM', () => server.close())
}

export async function answer(routes, path) {
  const { pathname, searchParams } = new URL(path, 'http://localhost')
  try {
    const secret = await routes[pathname.slice(1)](searchParams.get('name') ?? 'orders-db')
    return { status: 200, text: `${secret.length} characters` }
  } catch (error) {
    return { status: 503, text: chain(error).join(' < ') }
  }
}

/** By `cause`, and by what some clients have in its place; the code of one that keeps nothing but the message. */
function chain(error) {
  const said = []
  let at = error
  while (at instanceof Object && said.length < 8) {
    const name = at.name === undefined || at.name === 'Error' ? at.constructor.name : at.name
    const code = at.code ?? /^AUDIT_\w+|(?<= )AUDIT_\w+(?=:)/.exec(at.message)?.[0]
    said.push(`${name}${code === undefined ? '' : ` ${code}`}`)
    at = at.cause ?? at.originalError ?? at.data?.[0]
  }
  return said
}
