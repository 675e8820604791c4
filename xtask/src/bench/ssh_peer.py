"""Answers each line with a call over one SSH connection: CLIENT PORT DIRECTORY COMMAND."""
import asyncio
import sys

client, port, directory, command = sys.argv[1:]
key, known = directory + "/id", directory + "/known"


def answer(code):
    print(code, flush=True)


async def with_asyncssh():
    import asyncssh

    options = dict(port=int(port), username="root", client_keys=[key], known_hosts=None, config=None)
    async with asyncssh.connect("127.0.0.1", **options) as connection:
        answer(0)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            answer((await connection.run(command)).exit_status)


def with_paramiko():
    import paramiko

    connection = paramiko.SSHClient()
    connection.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    connection.connect("127.0.0.1", int(port), "root", key_filename=key, look_for_keys=False)
    answer(0)
    while sys.stdin.readline():
        _, stdout, _ = connection.exec_command(command)
        stdout.read()
        answer(stdout.channel.recv_exit_status())


if client == "asyncssh":
    asyncio.run(with_asyncssh())
else:
    with_paramiko()
