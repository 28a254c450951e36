import { answer } from '../../serving.mjs'
import { routes } from '../../client-routes.mjs'

export const dynamic = 'force-dynamic'

export async function GET(request) {
  const { pathname, search } = new URL(request.url)
  const { status, text } = await answer(routes, pathname + search)
  return new Response(text, { status })
}
