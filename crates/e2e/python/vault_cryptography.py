"""The vault and Python's cryptography read each other's tokens, keys and passphrases."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile
import urllib.request

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from _provider import Provider
from _rig import PATIENCE, Running, binary, environment, run

VALUE = "sk-käse-7Qm2xVb9Lw4TzR1nKc8YpD3f\nsecond line"
folder = tempfile.TemporaryDirectory(prefix="seawall-vault-")


def seawall(vault, *words, feed="", code=0, **variables):
    """Runs `seawall vault …` on one of the vaults in the folder, and gives what it printed."""
    ended = subprocess.run([binary(), "vault", *words, "--vault", vault], cwd=folder.name, env=environment(variables),
                           input=feed, text=True, capture_output=True, timeout=PATIENCE)
    assert ended.returncode == code, (words, ended.returncode, ended.stderr)
    assert VALUE not in ended.stdout + ended.stderr
    return ended.stdout if code == 0 else ended.stderr


def file_of(vault):
    return json.loads(pathlib.Path(folder.name, vault).read_text())


def stored(vault, name, fernet):
    """What a value's token in the file says to whoever has the key."""
    token = file_of(vault)["body"]["entries"][name]["versions"][-1]["token"]
    return fernet.decrypt(token).decode()


def python_reads_what_seawall_wrote():
    key = Fernet.generate_key().decode()
    seawall("one", "init", SEAWALL_VAULT_KEY=key)
    seawall("one", "set", "team/openai", feed=VALUE, SEAWALL_VAULT_KEY=key)
    exported = seawall("one", "export", "team/openai", SEAWALL_VAULT_KEY=key).strip()
    assert Fernet(key).decrypt(exported).decode() == VALUE
    # In the file each value says which vault, name and version it is of.
    vault = file_of("one")["body"]["id"]
    assert stored("one", "team/openai", Fernet(key)) == f"seawall-vault-1\n{vault}\nteam/openai\n1\n{VALUE}"
    seal = Fernet(key).decrypt(file_of("one")["seal"]).decode().split("\n")
    body = json.dumps(file_of("one")["body"], separators=(",", ":"), ensure_ascii=False)
    assert seal == ["seawall-vault-1-seal", vault, hashlib.sha256(body.encode()).hexdigest()]


def seawall_reads_what_python_wrote():
    key = Fernet.generate_key().decode()
    seawall("two", "init", SEAWALL_VAULT_KEY=key)
    for number, value in enumerate([VALUE, "x", "x" * 15, "x" * 16, "x" * 17, "x" * 60_000]):
        token = Fernet(key).encrypt(value.encode()).decode()
        seawall("two", "set", f"n{number}", "--token", feed=token, SEAWALL_VAULT_KEY=key)
        exported = seawall("two", "export", f"n{number}", SEAWALL_VAULT_KEY=key)
        assert Fernet(key).decrypt(exported.strip()).decode() == value
    foreign = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    said = seawall("two", "set", "bad", "--token", feed=foreign, code=2, SEAWALL_VAULT_KEY=key)
    assert "made with another key" in said, said


def keys_are_rotated_as_multifernet_does():
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    seawall("three", "init", SEAWALL_VAULT_KEY=old)
    seawall("three", "set", "a", feed=VALUE, SEAWALL_VAULT_KEY=old)
    before = seawall("three", "export", "a", SEAWALL_VAULT_KEY=old).strip()
    seawall("three", "rotate", SEAWALL_VAULT_KEY=f"{new},{old}")
    after = seawall("three", "export", "a", SEAWALL_VAULT_KEY=new).strip()
    both = MultiFernet([Fernet(new), Fernet(old)])
    assert both.decrypt(before) == both.decrypt(after) == VALUE.encode()
    try:
        Fernet(old).decrypt(after)
        raise AssertionError("the old key still reads what was sealed anew")
    except InvalidToken:
        pass
    seawall("three", "list", code=2, SEAWALL_VAULT_KEY=old)
    # What Python rotated, seawall reads.
    rotated = both.rotate(before.encode()).decode()
    seawall("three", "set", "b", "--token", feed=rotated, SEAWALL_VAULT_KEY=new)


def a_key_file_is_a_fernet_key():
    seawall("four", "init")
    seawall("four", "set", "a", feed=VALUE)
    lines = pathlib.Path(folder.name, "four.key").read_text().splitlines()
    [key] = [line for line in lines if not line.startswith("#")]
    assert Fernet(key).decrypt(seawall("four", "export", "a").strip()).decode() == VALUE
    # And one that Python made.
    made = pathlib.Path(folder.name, "made.key")
    made.touch(mode=0o600)
    made.write_bytes(Fernet.generate_key())
    seawall("five", "init", "--key-file", "made.key")
    seawall("five", "set", "a", "--key-file", "made.key", feed=VALUE)
    assert VALUE in stored("five", "a", Fernet(made.read_bytes()))


def a_passphrase_is_argon2id():
    phrase = "brown horses seldom drink green tea"
    seawall("six", "init", SEAWALL_VAULT_PASSPHRASE=phrase)
    seawall("six", "set", "a", feed=VALUE, SEAWALL_VAULT_PASSPHRASE=phrase)
    key = file_of("six")["body"]["key"]
    argon = Argon2id(salt=bytes.fromhex(key["salt"]), length=32, iterations=key["passes"], lanes=key["lanes"],
                     memory_cost=key["memory_kib"])
    derived = base64.urlsafe_b64encode(argon.derive(phrase.encode()))
    exported = seawall("six", "export", "a", SEAWALL_VAULT_PASSPHRASE=phrase).strip()
    assert Fernet(derived).decrypt(exported).decode() == VALUE


def a_value_of_the_vault_reaches_the_upstream_and_its_use_is_counted():
    provider, key = Provider(), Fernet.generate_key().decode()
    room = provider.room("vaulted")
    here = pathlib.Path(folder.name)
    seawall("seven", "init", SEAWALL_VAULT_KEY=key)
    seawall("seven", "set", "openai", feed="sk-7Qm2xVb9Lw4TzR1nKc8YpD3f", SEAWALL_VAULT_KEY=key)
    here.joinpath("seawall.toml").write_text(
        "listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n[vault]\nfile = 'seven'\n"
        f"[upstream.openai]\nurl = '{provider.url}/vaulted'\nauth = {{ bearer = 'vault:openai' }}\n")
    served = Running("serve", cwd=folder.name, env={"SEAWALL_VAULT_KEY": key})
    try:
        calls = served.wait_for(r"calls at (http://[^/]+)/")
        with urllib.request.urlopen(f"{calls}/openai/v1/models", timeout=PATIENCE) as answer:
            assert answer.status == 200
        assert room.seen[-1].headers["authorization"] == "Bearer sk-7Qm2xVb9Lw4TzR1nKc8YpD3f"
        assert "7Qm2" not in served.said()
    finally:
        assert served.stop() == 0
        provider.close()
    listed = json.loads(seawall("seven", "list", "--json", SEAWALL_VAULT_KEY=key))
    assert listed["entries"][0]["uses"]["count"] == 1, listed


CHECKS = [
    python_reads_what_seawall_wrote,
    seawall_reads_what_python_wrote,
    keys_are_rotated_as_multifernet_does,
    a_key_file_is_a_fernet_key,
    a_passphrase_is_argon2id,
    a_value_of_the_vault_reaches_the_upstream_and_its_use_is_counted,
]

if __name__ == "__main__":
    with folder:
        run(CHECKS, seconds=60)
