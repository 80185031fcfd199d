import fs from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
};

/**
 * Serves folders on this machine only.
 *
 * @param {Record<string, string>} folders - The folder behind each first part of a path.
 * @returns The address to which paths are relative, and how to stop.
 */
export async function serve(folders) {
  const server = http.createServer((request, response) => {
    const [, first, ...rest] = decodeURIComponent(new URL(request.url, 'http://localhost').pathname).split('/');
    const file = path.join(folders[first] ?? '', ...rest, rest.at(-1) === '' ? 'index.html' : '');
    const inFolder = folders[first] !== undefined && file.startsWith(folders[first]);
    (inFolder ? fs.readFile(file) : Promise.reject(new Error('outside'))).then(
      (body) => response.setHeader('Content-Type', TYPES[path.extname(file)] ?? 'application/octet-stream').end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { address: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
