/** A page for somebody whom no program reads the answer to: signing in has failed. Its texts are this server's own. */
export function signInPage(status: number, title: string, text: string): Response {
  const body = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><link rel="stylesheet" href="/console/console.css"></head>
<body><main><h1>${escaped(title)}</h1><p>${escaped(text)}</p>
<p><a href="/auth/login">Sign in again</a> · <a href="/">Console</a></p></main></body>
</html>
`
  return new Response(body, {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  })
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
