import type { Run } from '../../load-command.ts';
import { renderTable } from '../../output/table.ts';

export const run: Run<'vm ports'> = async (cli, { arguments: { vm } }) => {
  const answer = await cli.client.vmPorts({ vm });
  if (cli.isJson) {
    cli.printJson(answer);
    return 0;
  }
  const rows = answer.ports.map(({ protocol, port, address, pid, process }) => [
    protocol,
    String(port),
    address,
    process ?? '-',
    pid === null ? '-' : String(pid),
  ]);
  cli.print(renderTable(['PROTOCOL', 'PORT', 'ADDRESS', 'PROCESS', 'PID'], rows));
  if (answer.isCut) cli.note('There are more than these.');
  return 0;
};
