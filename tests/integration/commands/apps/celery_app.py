"""Tasks of Celery, whose messages are files."""

import os

import celery
import loops

folder = os.path.join(os.getcwd(), "messages")
os.makedirs(folder, exist_ok=True)
app = celery.Celery("celery_app", broker="filesystem://", backend=f"file://{folder}")
app.conf.broker_transport_options = {"data_folder_in": folder, "data_folder_out": folder}


@app.task
def both():
    loops.run()


if __name__ == "__main__":
    for result in [both.delay() for _ in range(4)]:
        result.get(timeout=60)
    app.control.shutdown()
