// An application whose secrets are read in threads of its own; nothing of ours is in it. `/read/<name>` reads one in the thread,
// or in the one below that. WHEN says what else it does.
import { createServer } from 'node:http'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

const { WHEN = '', READ_FROM } = process.env

async function read(name) {
  const headers = { 'x-vault-token': process.env.READ_WITH }
  try {
    const response = await fetch(`${READ_FROM}/v1/secret/data/${name}`, { headers })
    const { data } = await response.json()
    return data.data.password
  } catch (error) {
    return `${error.name} ${error.code}`
  }
}

function asked(worker, name) {
  return new Promise((resolve) => {
    worker.once('message', resolve)
    worker.postMessage(name)
  })
}

/** How many threads are above this one. */
const depth = Number(new URL(import.meta.url).searchParams.get('depth') ?? 0)
const below = () => new Worker(new URL(`?depth=${depth + 1}`, import.meta.url))

if (isMainThread) {
  const worker = below()
  const routes = {
    read: (name) => asked(worker, name),
    end: async () => `ended with ${await worker.terminate()}`,
    // With an environment of its own, which configures no audit.
    bare: () =>
      new Promise((resolve) => {
        const bare = new Worker(new URL('?depth=1', import.meta.url), { env: {} })
        bare.once('exit', (code) => resolve(`ended with ${code}`))
        bare.on('error', () => {})
      }),
  }
  if (WHEN === 'it listens to SIGTERM') process.on('SIGTERM', () => console.log('SIGTERM heard'))
  if (WHEN === 'main is done first') {
    console.log('read', await routes.read('orders-db'))
    worker.unref()
  } else {
    const server = createServer((request, response) => {
      const [, route, name] = request.url.split('/')
      void routes[route](name).then((text) => response.end(text))
    })
    server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`))
  }
} else {
  const worker = WHEN === 'nested' && depth === 1 ? below() : undefined
  parentPort.on('message', (name) => {
    if (name === 'forever') {
      parentPort.postMessage('busy')
      for (;;);
    }
    const reading = worker === undefined ? read(name) : asked(worker, name)
    void reading.then((text) => parentPort.postMessage(text))
  })
}
