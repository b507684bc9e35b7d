/** Questions that come as datagrams. One that gets no answer is asked again by those who mean it. */
import type { Socket } from 'node:dgram';
import type { Asked, Said } from './asked.ts';

/** Of answers that the kernel does not take yet */
const MAX_WAITING_BYTES = 256 * 1024;
export const MAX_QUESTION_BYTES = 4096;

export function serveUdp(socket: Socket, answer: (asked: Asked) => Said): void {
  const at = socket.address().address;
  let isOpen = true;
  socket.once('close', () => {
    isOpen = false;
  });
  socket.on('error', () => {}); // of one datagram; the next may be sent
  socket.on('message', (message, { address: from, port }) => void reply({ message, from, at, by: 'udp' }, port));

  async function reply(asked: Asked, port: number): Promise<void> {
    if (asked.message.length > MAX_QUESTION_BYTES) return;
    const said = await answer(asked);
    if (said && isOpen && socket.getSendQueueSize() < MAX_WAITING_BYTES) socket.send(said, port, asked.from, () => {});
  }
}
